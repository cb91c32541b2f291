extension SandboxKind {
    /// The cheapest kind in which `code` finds its imports warm: bare if it names only modules of Python's standard library.
    ///
    /// Every program runs in either kind; the choice only decides how fast.
    package static func chosen(for code: String) -> SandboxKind {
        let imports = ImportScanner(code)
        if imports.hasComputedImport { return .full }
        return imports.modules.isSubset(of: PythonStandardLibrary.moduleNames) ? .bare : .full
    }
}
