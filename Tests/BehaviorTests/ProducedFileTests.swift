import TestSupport
import Testing

extension OneShot {
    @Suite("Files of an execution")
    struct ProducedFiles {
        @Test("new files at any depth are given back under their relative path")
        func newFiles() async throws {
            let server = try TestServer.current
            let code = """
                import os
                os.makedirs("a/b/c")
                open("top.txt", "w").write("top")
                open("a/b/c/deep.bin", "wb").write(bytes(range(256)))
                open("empty", "w")
                """
            let answer = try await server.execute(code)
            #expect(answer.paths == ["a/b/c/deep.bin", "empty", "top.txt"])
            #expect(try await server.download(#require(answer.file("a/b/c/deep.bin"))) == Array(0...255))
            #expect(try await server.download(#require(answer.file("empty"))) == [])
            let names = try await server.listedFiles()
            for file in answer.files { #expect(names[file.id] == file.path) }
        }

        @Test("each file of the answer has a path, the kind `file` and an id")
        func fileEntries() async throws {
            let answer = try await TestServer.current.execute("open('x', 'w').write('1')")
            let entry = try #require(answer.json["files"]?[0])
            #expect(entry["path"] == "x")
            #expect(entry["kind"] == "file")
            #expect(try #require(entry["file_id"]?.string).isUUID4)
        }

        @Test("staged files are where the request says, with what was uploaded")
        func staged() async throws {
            let server = try TestServer.current
            let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let id = try await server.upload("source.bin", bytes)
            let code =
                "import hashlib\nprint(open('in/data.bin','rb').read() == bytes((i * 31) % 256 for i in range(100000)))"
            let answer = try await server.execute(ExecuteRequest(code, files: [("in/data.bin", id)]))
            #expect(answer.stdout == "True\n", "\(answer.json)")
        }

        @Test("inputs that did not change or are gone are not given back")
        func unchangedInputs() async throws {
            let server = try TestServer.current
            let id = try await server.upload("in", "content".utf8)
            let code = """
                import os
                os.utime("touched")
                open("rewritten", "w").write("content")
                os.chmod("chmodded", 0o600)
                os.remove("deleted")
                os.replace("moved", "moved-away"); os.replace("moved-away", "moved")
                """
            let files = ["untouched", "touched", "rewritten", "chmodded", "deleted", "moved", "deep/er/untouched"].map {
                ($0, id)
            }
            let answer = try await server.execute(ExecuteRequest(code, files: files))
            #expect(answer.exitCode == 0, "\(answer.json)")
            #expect(answer.paths == [])
        }

        @Test("inputs that changed are given back as new files, the old ones stay as they were")
        func changedInputs() async throws {
            let server = try TestServer.current
            let id = try await server.upload("in", "content".utf8)
            let code = """
                import os
                open("overwritten", "w").write("CONTENT")
                open("appended", "a").write("!")
                open("emptied", "w")
                os.rename("renamed", "new-name")
                """
            let files = ["overwritten", "appended", "emptied", "renamed"].map { ($0, id) }
            let answer = try await server.execute(ExecuteRequest(code, files: files))
            #expect(answer.paths == ["appended", "emptied", "new-name", "overwritten"], "\(answer.json)")
            #expect(try await server.download(#require(answer.file("overwritten"))) == Array("CONTENT".utf8))
            #expect(try await server.download(#require(answer.file("appended"))) == Array("content!".utf8))
            #expect(answer.file("overwritten") != id)
            #expect(try await server.download(id) == Array("content".utf8))
        }

        @Test("the same path staged twice: the last wins")
        func stagedTwice() async throws {
            let server = try TestServer.current
            let first = try await server.upload("a", "first".utf8)
            let second = try await server.upload("b", "second".utf8)
            let answer = try await server.execute(
                ExecuteRequest("print(open('x').read())", files: [("x", first), ("./x", first), ("x", second)])
            )
            #expect(answer.stdout == "second\n", "\(answer.json)")
            #expect(answer.paths == [])
        }

        @Test("staged files can be changed, replaced and removed, and their folders written to")
        func stagedAreWritable() async throws {
            let server = try TestServer.current
            let id = try await server.upload("a", "x".utf8)
            let code = """
                import os
                open("d/e/in.txt", "a").write("y")
                open("d/e/new.txt", "w").write("z")
                os.rename("d", "other")
                os.chmod("other/e/in.txt", 0o400)
                """
            let answer = try await server.execute(ExecuteRequest(code, files: [("d/e/in.txt", id)]))
            #expect(answer.exitCode == 0, "\(answer.json)")
            #expect(answer.paths == ["other/e/in.txt", "other/e/new.txt"])
        }

        @Test("directories, links, fifos, sockets, devices and the program itself are not given back")
        func onlyRegularFiles() async throws {
            let code = """
                import os, socket
                open("real.txt", "w").write("x")
                os.mkdir("folder")
                os.symlink("real.txt", "link")
                os.symlink("/etc/passwd", "absolute-link")
                os.symlink("/", "root")
                os.symlink("nowhere", "dangling")
                os.symlink("folder", "folder-link")
                os.mkfifo("fifo")
                socket.socket(socket.AF_UNIX).bind("socket")
                open("/tmp/elsewhere.txt", "w").write("x")
                open("__main__.py", "a").write("# changed")
                """
            let answer = try await TestServer.current.execute(code)
            #expect(answer.exitCode == 0, "\(answer.json)")
            #expect(answer.paths == ["real.txt"])
        }

        @Test("a program that removes itself is no problem")
        func removesItself() async throws {
            let answer = try await TestServer.current.execute("import os\nos.remove('__main__.py')\nprint('gone')")
            #expect(answer.stdout == "gone\n")
            #expect(answer.paths == [])
        }

        @Test("a file below another __main__.py is an ordinary file")
        func nestedMain() async throws {
            let answer = try await TestServer.current.execute(
                "import os\nos.mkdir('p')\nopen('p/__main__.py', 'w').write('x')"
            )
            #expect(answer.paths == ["p/__main__.py"])
        }

        @Test("files and folders that nobody else may read are given back")
        func privateModes() async throws {
            let server = try TestServer.current
            let code = """
                import os
                open("a.txt", "w").write("a")
                open("mode-600.txt", "w").write("b"); os.chmod("mode-600.txt", 0o600)
                open("mode-000.txt", "w").write("c"); os.chmod("mode-000.txt", 0)
                os.mkdir("private"); open("private/d.txt", "w").write("d"); os.chmod("private", 0o700)
                os.umask(0o777); open("umask.txt", "w").write("e")
                """
            let answer = try await server.execute(code)
            #expect(answer.exitCode == 0, "\(answer.json)")
            for (path, content) in [("a.txt", "a"), ("mode-600.txt", "b"), ("private/d.txt", "d")] {
                #expect(
                    try await server.download(#require(answer.file(path), "\(path) in \(answer.json)"))
                        == Array(content.utf8)
                )
            }
        }

        @Test("hidden files keep their names")
        func hiddenFiles() async throws {
            let answer = try await TestServer.current.execute(
                "import os\nos.mkdir('.d')\nopen('.env', 'w').write('x')\nopen('.d/.e', 'w').write('x')"
            )
            #expect(answer.paths == [".d/.e", ".env"])
        }

        @Test("names with spaces, quotes, newlines and other scripts are kept")
        func unusualNames() async throws {
            let server = try TestServer.current
            let code = """
                for name in ["a b", "quote'\\"", "new\\nline", "tab\\t", "back\\\\slash", "-rf", "$(id)", "漢字", "\\U0001F600", "e\\u0301", "%2e%2e", "a;b", "\\u202e"]:
                    open(name, "w").write(name)
                """
            let answer = try await server.execute(code)
            #expect(answer.exitCode == 0, "\(answer.json)")
            #expect(answer.files.count == 13, "\(answer.json)")
            for file in answer.files {
                #expect(try await server.download(file.id) == Array(file.path.utf8), "\(file.path)")
            }
        }

        @Test("a name that is not UTF-8 is left out and counted, everything else is given back")
        func notUTF8Name() async throws {
            let server = try TestServer.current
            let answer = try await server.execute("open(b'bad\\xff', 'w').write('x')\nopen('good', 'w').write('y')")
            #expect(answer.paths == ["good"], "\(answer.json)")
            _ = try await server.listedFiles()
        }

        @Test("more files than the limit are left out and counted")
        func manyFiles() async throws {
            let answer = try await TestServer.current.execute(
                "for i in range(400):\n    open(f'{i:04}.txt', 'w').write(str(i))"
            )
            let omitted = try #require(answer.outcome["omitted_files"]?.int, "\(answer.outcome)")
            #expect(omitted > 0)
            #expect(answer.files.count + omitted == 400)
        }

        @Test("a sparse file of huge length is left out, not read into memory")
        func sparseFile() async throws {
            let code = """
                with open("sparse", "wb") as file:
                    file.truncate(8 * 1024**4)
                open("small", "w").write("x")
                """
            let answer = try await TestServer.current.execute(code)
            #expect(answer.paths == ["small"], "\(answer.json)")
            #expect(answer.outcome["omitted_files"]?.int == 1)
        }

        @Test("a file of some megabytes comes back byte by byte")
        func largeFile() async throws {
            let server = try TestServer.current
            let code =
                "import hashlib, os\ndata = os.urandom(20_000_000)\nopen('large', 'wb').write(data)\nprint(hashlib.sha256(data).hexdigest())"
            let answer = try await server.execute(code)
            let id = try #require(answer.file("large"), "\(answer.json)")
            let check = "import hashlib\nprint(hashlib.sha256(open('back', 'rb').read()).hexdigest())"
            let second = try await server.execute(ExecuteRequest(check, files: [("back", id)]))
            #expect(second.stdout == answer.stdout)
            #expect(try await server.download(id).count == 20_000_000)
        }

        @Test("files written by a subprocess are given back")
        func subprocessFiles() async throws {
            let answer = try await TestServer.current.execute(
                "import subprocess\nsubprocess.run('echo hi > shell.txt', shell=True)"
            )
            #expect(answer.paths == ["shell.txt"])
        }

        @Test("a failed program's files are given back as well")
        func filesOfFailure() async throws {
            let answer = try await TestServer.current.execute("open('before', 'w').write('x')\n1/0")
            #expect(answer.exitCode == 1)
            #expect(answer.paths == ["before"])
        }

        @Test("an execution finds nothing of the one before")
        func freshWorkspace() async throws {
            let server = try TestServer.current
            _ = try await server.execute("open('left.txt', 'w').write('x')\nopen('/tmp/left.txt', 'w').write('x')")
            let answer = try await server.execute(
                "import os\nprint(os.listdir('/workspace'), os.path.exists('/tmp/left.txt'))"
            )
            #expect(answer.stdout == "['__main__.py'] False\n")
        }
    }
}

extension String {
    /// Whether this is a UUID of version 4 in lower case.
    var isUUID4: Bool {
        (try? /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/.wholeMatch(in: self)) != nil
    }
}
