import Execution
import HTTPTypes
import HummingbirdCore
import JSON
import NIOCore

/// Receives POST /v1/files: the file goes from the socket to the store piece by piece.
struct FileUpload: Sendable {
    let files: FileStore
    let maxFileBytes: Int

    /// Room for other fields, headers and boundaries.
    private static let otherBytes = 4_000_000
    /// Most bytes of a field of that name that is no file.
    private static let maxTextBytes = 1024 * 1024

    /// Stores the field `file`; of several the last one stays.
    ///
    /// - Throws: ``APIError``, ``FileStoreError``. Nothing is stored then.
    func receive(_ request: RoutedRequest) async throws -> StoredFile {
        let maxBytes = maxFileBytes + Self.otherBytes
        if let length = request.headers[.contentLength].flatMap(Int.init), length > maxBytes {
            throw FileStoreError.fileTooLarge(maxBytes: maxFileBytes)
        }
        guard let boundary = try Self.boundary(of: request.headers[.contentType]) else { throw Self.missingField }
        var stored: StoredFile?
        do {
            let reader = MultipartReader(request.request.body, boundary: boundary, maxBytes: maxBytes)
            return try await receive(from: reader, request, stored: &stored)
        } catch {
            if let stored { _ = try await files.remove(id: stored.id, tenant: request.tenant) }
            throw translated(error)
        }
    }

    private func receive(
        from reader: MultipartReader,
        _ request: RoutedRequest,
        stored: inout StoredFile?
    ) async throws -> StoredFile {
        var text: String?
        while let part = try await reader.nextPart() {
            guard part.name?.utf8.elementsEqual("file".utf8) == true else { continue }
            guard let filename = part.filename else {
                guard request.lease.grow(by: Self.maxTextBytes) else { throw APIError.tooManyBodies }
                let content = try await reader.content(upTo: Self.maxTextBytes)
                request.lease.shrink(to: content.readableBytes)
                text = String(buffer: content)
                continue
            }
            let file = try await files.add(
                filename: filename.isEmpty ? "upload" : filename,
                tenant: request.tenant,
                content: MultipartContent(reader: reader)
            )
            if let stored { _ = try await files.remove(id: stored.id, tenant: request.tenant) }
            (stored, text) = (file, nil)
        }
        if let text { throw APIError.invalid([.notAnUpload(text)]) }
        guard let stored else { throw Self.missingField }
        return stored
    }

    private static var missingField: APIError {
        .invalid([.missing([.name("body"), .name("file")], input: .null)])
    }

    /// nil when the body is no multipart/form-data.
    private static func boundary(of contentType: String?) throws(APIError) -> String? {
        guard let contentType, contentType.lowercased().hasPrefix("multipart/form-data") else { return nil }
        guard let boundary = HeaderParameters(contentType.utf8)?.text("boundary"), !boundary.isEmpty else {
            throw .missingBoundary
        }
        if boundary.utf8.count > 200 { throw .unparsableBody }
        return boundary
    }

    private func translated(_ error: any Error) -> any Error {
        switch error {
        case MultipartError.malformed, MultipartError.headersTooLarge: APIError.unparsableBody
        case MultipartError.unnamedPart:
            APIError.badMultipart("The Content-Disposition header field \"name\" must be provided.")
        case MultipartError.tooManyParts(let limit):
            APIError.badMultipart("Too many files. Maximum number of files is \(limit).")
        case is MultipartReader.PartTooLarge:
            APIError.badMultipart("Part exceeded maximum size of \(Self.maxTextBytes / 1024)KB.")
        case is MultipartReader.BodyTooLarge: FileStoreError.fileTooLarge(maxBytes: maxFileBytes)
        default: error
        }
    }
}
