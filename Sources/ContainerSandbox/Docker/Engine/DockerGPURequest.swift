/// `--gpus` of `docker run`.
enum DockerGPURequest {
    typealias Problem = DockerRunArguments.Problem

    /// "all", "2", "device=0", "\"device=0,1\",capabilities=compute", "driver=nvidia,count=1".
    static func parse(_ text: String) throws(Problem) -> ContainerSpecification.DeviceRequest {
        var request = ContainerSpecification.DeviceRequest()
        var hasCount = false
        for field in DockerValues.fields(text) {
            let (name, value) = DockerValues.pair(field, "=") ?? ("count", field)
            let items = value.split(separator: ",").map(String.init)
            switch name {
            case "count":
                guard let count = value == "all" ? -1 : Int(value), count == -1 || count > 0 else {
                    throw Problem("\(EngineError.legible(value)) is neither all nor a number of devices")
                }
                request.count = count
                hasCount = true
            case "device": request.deviceIDs = items
            case "driver": request.driver = value
            case "capabilities": request.capabilities = ["gpu"] + items.filter { $0 != "gpu" }
            case "options":
                for item in items {
                    guard let option = DockerValues.pair(item, "=") else {
                        throw Problem("\(EngineError.legible(item)) is not name=value")
                    }
                    request.options[option.name] = option.value
                }
            default: throw Problem("\(EngineError.legible(name)) is no part of a request for devices")
            }
        }
        if hasCount, !request.deviceIDs.isEmpty { throw Problem("a number and a list of devices exclude each other") }
        if !hasCount, request.deviceIDs.isEmpty { request.count = 1 }
        return request
    }
}
