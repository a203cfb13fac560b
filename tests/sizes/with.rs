//! The binary with the program.

fn main() {
    let name = std::env::args().next().unwrap_or_default();
    println!("{}", sizes::program(name));
}
