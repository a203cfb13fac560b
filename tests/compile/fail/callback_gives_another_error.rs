use deferred::succeed;

fn main() {
    succeed("1").add_callback(|text| text.parse::<i32>());
}
