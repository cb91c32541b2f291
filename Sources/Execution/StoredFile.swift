/// One file of the store. Immutable: its blob is never written again, only removed.
package struct StoredFile: Sendable, Equatable {
    /// A random UUID, version 4, in lower case.
    package var id: String
    /// As the client named it; for a produced file its path in the workspace.
    package var filename: String
    /// In bytes.
    package var size: Int
    /// Of the content: 64 lower-case hexadecimal digits.
    package var sha256: String
    /// Seconds since 1970, UTC.
    package var uploadTime: Double
    package var tenant: Tenant
    /// Absolute path of the content on the server's disk.
    package var blobPath: String

    package init(
        id: String,
        filename: String,
        size: Int,
        sha256: String,
        uploadTime: Double,
        tenant: Tenant,
        blobPath: String
    ) {
        self.id = id
        self.filename = filename
        self.size = size
        self.sha256 = sha256
        self.uploadTime = uploadTime
        self.tenant = tenant
        self.blobPath = blobPath
    }
}
