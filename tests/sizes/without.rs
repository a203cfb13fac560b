//! The binary without it.

fn main() {
    let name = std::env::args().next().unwrap_or_default();
    println!("{}", name.len());
}
