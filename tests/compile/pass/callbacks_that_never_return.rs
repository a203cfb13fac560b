use deferred::{maybe_deferred, succeed, sync};

fn main() {
    if std::env::args().len() > 100 {
        succeed(1).add_callback(|_| todo!()).add_callback(|()| Ok(1));
        succeed(1).add_both(|_| panic!("no"));
        succeed(()).add_errback(|failure| panic!("{failure}"));
        maybe_deferred(|| unreachable!());
        sync::succeed(1).add_callback(|_| todo!());
    }
    // They do not disturb the others.
    let sum = succeed(1).add_callback(|n| Ok(n + 1)).add_callback(|n| match n {
        2 => Ok("two"),
        _ => unreachable!(),
    });
    assert_eq!(sum.into_result().unwrap().unwrap(), "two");
}
