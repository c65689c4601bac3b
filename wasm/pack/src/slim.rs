//! Takes out of the module what a browser never needs: the text of panics, and long import names.
//!
//! The library has no code that panics, but the compiler cannot prove it everywhere and the standard library comes
//! compiled with its panic messages. A panic that did happen would stop the module with or without its message, so
//! each way into that machinery becomes a plain trap; `wasm-opt` then drops all that only it had used.

use std::collections::HashMap;

use walrus::{FunctionKind, ImportKind, Module};

/// Functions by which compiled code enters the panic machinery.
const TRAPS: [&str; 10] = [
    "panicking::",
    "::fmt::",
    "jspi",
    "handle_alloc_error",
    "rust_oom",
    "capacity_overflow",
    "slice_error_fail",
    "slice_index_fail",
    "unwrap_failed",
    "expect_failed",
];

/// Exports that only programs with asynchronous functions call.
const UNUSED_EXPORTS: [&str; 1] = ["jspi"];

/// Makes the module smaller without a change to what it does.
pub(crate) fn slim(module: &mut Module) {
    trap_panics(module);
    drop_exports(module);
}

/// Gives every import that `wasm-bindgen` has named (with a hash) a short name, and answers with old and new names.
pub(crate) fn shorten_imports(module: &mut Module) -> Vec<(String, String)> {
    let mut names = HashMap::new();
    for import in module.imports.iter_mut() {
        if matches!(import.kind, ImportKind::Function(_)) && import.name.starts_with("__wb") {
            let next = format!("f{}", names.len());
            let short = names.entry(import.name.clone()).or_insert(next);
            import.name.clone_from(short);
        }
    }
    names.into_iter().collect()
}

fn trap_panics(module: &mut Module) {
    for function in module.funcs.iter_mut() {
        let is_trap = |name: &String| TRAPS.iter().any(|part| name.contains(part));
        if let (true, FunctionKind::Local(local)) =
            (function.name.as_ref().is_some_and(is_trap), &mut function.kind)
        {
            let mut body = local.builder_mut().func_body();
            body.instrs_mut().clear();
            body.unreachable();
        }
    }
}

fn drop_exports(module: &mut Module) {
    let is_unused = |name: &str| UNUSED_EXPORTS.iter().any(|part| name.contains(part));
    let unused: Vec<_> =
        module.exports.iter().filter(|export| is_unused(&export.name)).map(|export| export.id()).collect();
    for export in unused {
        module.exports.delete(export);
    }
}
