// MARK: - From a request to a staged sandbox
extension ExecutionService {
    /// How often an execution that has not begun is given another sandbox when it loses one.
    static var replacements: Int { 2 }

    /// Each step takes something, and gives it back when a later one fails or is cancelled.
    func prepare(_ request: ExecutionRequest, operation: ExecutionOperation) async throws -> AdmittedExecution {
        try checkTimeout(request)
        let held = try await files.hold(request.files.map(\.fileID), tenant: request.tenant)
        do {
            let inputs = Self.lastOfEachPath(try stagedFiles(request, held: held))
            try checkRoom(for: inputs)
            try await enter(operation)
            do {
                let kind = SandboxKind.chosen(for: request.script.code)
                let sandbox = try await stagedSandbox(kind, inputs: inputs)
                return AdmittedExecution(
                    service: self,
                    script: request.script,
                    limits: limits(request),
                    tenant: request.tenant,
                    operation: operation,
                    holding: .init(sandbox: sandbox, kind: kind, inputs: inputs, held: held)
                )
            } catch {
                leave(operation)
                throw error
            }
        } catch {
            files.release(held)
            throw error
        }
    }

    /// Takes a sandbox and stages the files; takes another one when it is lost meanwhile.
    func stagedSandbox(_ kind: SandboxKind, inputs: [StagedFile]) async throws -> any Sandbox {
        var lostReason = ""
        for _ in 0...Self.replacements {
            let sandbox = try await takeSandbox(kind)
            if inputs.isEmpty { return sandbox }
            do {
                try await sandbox.stage(inputs)
                return sandbox
            } catch {
                pool.discard(sandbox)
                guard case SandboxError.lost(let reason) = error else { throw refusal(error) }
                try Task.checkCancellation()
                lostReason = reason
            }
        }
        throw ExecutionRefusal.noCapacity(reason: lostReason, retryAfter: configuration.capacityRetryAfter)
    }

    func leave(_ operation: ExecutionOperation) {
        gate.leave()
        metrics.left(operation)
    }

    private func checkTimeout(_ request: ExecutionRequest) throws {
        guard request.timeout > configuration.maxTimeout else { return }
        let milliseconds = Int((configuration.maxTimeout / .milliseconds(1)).rounded())
        throw ExecutionRefusal.timeoutAboveMaximum(milliseconds: milliseconds)
    }

    /// First every file must exist, then every path is looked at, in the order of the request.
    private func stagedFiles(_ request: ExecutionRequest, held: FileStore.Held) throws -> [StagedFile] {
        let contents = try request.files.map { file in
            guard let stored = held.files[file.fileID] else {
                throw ExecutionRefusal.unknownFile(id: file.fileID, path: file.path)
            }
            return StagedFile.Content.blob(path: stored.blobPath, size: stored.size, sha256: stored.sha256)
        }
        return try zip(request.files, contents).map { file, content in
            StagedFile(path: try workspacePath(file.path), content: content)
        }
    }

    /// Without the files that a later one with the same path replaces: each would be copied, in a place others wait for.
    private static func lastOfEachPath(_ files: [StagedFile]) -> [StagedFile] {
        var paths: Set<WorkspacePath> = []
        var kept: [StagedFile] = []
        for file in files.reversed() where paths.insert(file.path).inserted { kept.append(file) }
        return kept.reversed()
    }

    /// Refuses what no workspace holds; what else it needs, its file system knows.
    private func checkRoom(for files: [StagedFile]) throws {
        var room = configuration.workspaceBytes
        for file in files {
            guard case .blob(_, let size, _) = file.content else { continue }
            if size > room { throw ExecutionRefusal.filesTooLarge(path: file.path.string) }
            room -= size
        }
    }

    private func workspacePath(_ text: String) throws -> WorkspacePath {
        do {
            let path = try WorkspacePath(text)
            if path == .entrypoint { throw ExecutionRefusal.reservedPath(path: text) }
            return path
        } catch let invalid as WorkspacePath.Invalid {
            throw ExecutionRefusal.invalidPath(invalid, path: text)
        }
    }

    private func enter(_ operation: ExecutionOperation) async throws {
        let start = ContinuousClock.now
        do {
            try await gate.enter()
        } catch let refusal as AdmissionGate.Refusal {
            throw refuse(refusal, operation: operation)
        }
        metrics.admitted(operation, after: .now - start)
    }

    private func refuse(_ refusal: AdmissionGate.Refusal, operation: ExecutionOperation) -> ExecutionRefusal {
        switch refusal {
        case .queueFull: metrics.rejected(operation, status: 429, reason: "queue_full")
        case .queueTimeout: metrics.rejected(operation, status: 429, reason: "queue_timeout")
        case .stopping: return .stopping
        }
        return .saturated(retryAfter: configuration.queueRetryAfter)
    }

    private func takeSandbox(_ kind: SandboxKind) async throws -> any Sandbox {
        do {
            let taken = try await pool.take(kind)
            metrics.tookSandbox(kind, wasReady: taken.wasReady)
            return taken.sandbox
        } catch let refusal as SandboxPool.State.Refusal {
            switch refusal {
            case .stopping: throw ExecutionRefusal.stopping
            case .noCapacity(let reason, let retryAfter):
                throw ExecutionRefusal.noCapacity(
                    reason: reason,
                    retryAfter: retryAfter ?? configuration.capacityRetryAfter
                )
            }
        }
    }

    /// What failed staging means for the client.
    private func refusal(_ error: any Error) -> any Error {
        switch error {
        case SandboxError.workspaceFull(let path): ExecutionRefusal.filesTooLarge(path: path.string)
        case SandboxError.unavailable(let reason, let retryAfter):
            ExecutionRefusal.noCapacity(reason: reason, retryAfter: retryAfter ?? configuration.capacityRetryAfter)
        case SandboxError.setup(let reason):
            ExecutionRefusal.noCapacity(reason: reason, retryAfter: configuration.capacityRetryAfter)
        default: error
        }
    }

    private func limits(_ request: ExecutionRequest) -> ExecutionLimits {
        ExecutionLimits(
            wallTime: request.timeout,
            cpuTime: configuration.cpuTime,
            outputBytes: configuration.outputBytes,
            floodBytes: configuration.floodBytes
        )
    }
}
