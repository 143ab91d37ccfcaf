import Glibc

/// The client of the lab: a process of its own, for the namespace of the client.
@main
enum LabClient {
    static func main() {
        do throws(ClientError) {
            let options = try Options(Array(CommandLine.arguments.dropFirst()))
            Stop.listen()
            switch options.mode {
            case "write":
                let status = options.text("status", default: "")
                try Writer(options).run(acks: options.text("acks"), status: status.isEmpty ? nil : status)
            case "check": try Check(options).report(options)
            case "probe": try Probe(options).run(options.text("output"))
            default: throw .usage("no such word: \(options.mode)")
            }
        } catch {
            let text = Array("syncgate-lab-client: \(error)\n".utf8)
            _ = Glibc.write(2, text, text.count)
            exit(2)
        }
    }
}
