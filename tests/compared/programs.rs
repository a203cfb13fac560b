//! The programs in Rust, each as a module with its `main`.

/// Names and `main` functions of the programs.
pub(crate) static ALL: &[(&str, fn())] = &[
    ("reactor_web/hello", reactor_web::hello::start),
    ("reactor_web/parameter", reactor_web::parameter::start),
    ("reactor_web/json", reactor_web::json::start),
    ("reactor_web/form", reactor_web::form::start),
    ("reactor_web/stream", reactor_web::stream::start),
    ("reactor_web/later", reactor_web::later::start),
    ("reactor_web/files", reactor_web::files::start),
    ("reactor_web/chat", reactor_web::chat::start),
    ("reactor_web/proxy", reactor_web::proxy::start),
    ("reactor_web/fetch", reactor_web::fetch::start),
    ("axum/hello", axum::hello::start),
    ("axum/parameter", axum::parameter::start),
    ("axum/json", axum::json::start),
    ("axum/form", axum::form::start),
    ("axum/stream", axum::stream::start),
    ("axum/later", axum::later::start),
    ("axum/files", axum::files::start),
    ("axum/chat", axum::chat::start),
];

/// A module for each program of a folder.
macro_rules! programs {
    ($folder:ident: $($name:ident)*) => {
        mod $folder {
            $(pub(crate) mod $name {
                include!(concat!("../../examples/compared/", stringify!($folder), "/", stringify!($name), ".rs"));

                pub(crate) fn start() {
                    main().expect(stringify!($name));
                }
            })*
        }
    };
}

programs!(reactor_web: hello parameter json form stream later files chat proxy fetch);
programs!(axum: hello parameter json form stream later files chat);
