import CLinux

/// The entries of a directory, itself and its parent left out, as getdents64(2) gives them.
struct DirectoryListing {
    struct Entry {
        var name: ArraySlice<UInt8>
        var type: EntryType
    }

    enum EntryType {
        case file, directory, other
    }

    private let directory: Descriptor
    private var buffer: [UInt8]
    private var filled = 0
    private var position = 0

    /// Lists from where `directory` stands; a fresh one stands at its beginning.
    init(_ directory: Descriptor, bufferBytes: Int) {
        self.directory = directory
        buffer = [UInt8](repeating: 0, count: bufferBytes)
    }

    /// The next entry; nil at the end, and when the kernel gives no more.
    mutating func next() -> Entry? {
        while true {
            if position == filled {
                filled = max(0, ci_getdents64(directory.raw, &buffer, buffer.count))
                position = 0
                if filled == 0 { return nil }
            }
            let entry = record()
            if !entry.name.elementsEqual(".".utf8), !entry.name.elementsEqual("..".utf8) { return entry }
        }
    }

    /// One record: 8 bytes inode, 8 bytes offset, 2 bytes length of the record, 1 byte type, the name and zeros.
    private mutating func record() -> Entry {
        let length = Int(buffer[position + 16]) | Int(buffer[position + 17]) << 8
        let name = buffer[(position + 19)..<(position + length)].prefix { $0 != 0 }
        let type: EntryType =
            switch buffer[position + 18] {
            case 4: .directory
            case 8: .file
            default: .other
            }
        position += length
        return Entry(name: name, type: type)
    }
}
