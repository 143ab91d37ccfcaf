internal import LinuxNet
internal import Synchronization
internal import VRRP

/// What `check --live` finds on this machine and its segment. Sends nothing, and changes nothing.
struct LiveMachine {
    let router: VirtualRouterConfiguration

    private func finding(
        _ severity: LiveFinding.Severity, _ subject: String, _ code: String, _ text: String, advice: String? = nil
    ) -> LiveFinding {
        LiveFinding(severity, router: router.node.name, subject, code, text, advice: advice)
    }

    /// Interface, address, sockets, rights to change addresses.
    func findings() -> [LiveFinding] {
        do throws(SystemCallError) {
            var netlink = try Netlink()
            guard let link = try netlink.link(named: router.interface) else {
                return [
                    finding(
                        .error, "interface", "interface", "there is no interface \(router.interface)",
                        advice: "see 'ip link' for those that there are")
                ]
            }
            let addresses = try netlink.addresses(of: link.index)
            return [interfaceFinding(link, addresses), rightsFinding(link, &netlink)]
        } catch {
            return [finding(.error, "interface", "interface", "\(error)")]
        }
    }

    private func interfaceFinding(_ link: Link, _ addresses: [InterfaceAddress]) -> LiveFinding {
        let family = router.node.router.family
        guard link.isUsable else {
            return finding(
                .error, "interface", "interface", "\(link.name) is down, or has no carrier",
                advice: "ip link set \(link.name) up, and see to the cable")
        }
        if let source = router.source {
            return addresses.contains { $0.address == source }
                ? finding(.ok, "interface", "interface", "\(link.name) is up and has \(source)")
                : finding(
                    .error, "interface", "interface", "\(link.name) does not have \(source) (source)",
                    advice: "give one of its own addresses, or leave source out")
        }
        let virtual = Set(router.node.virtualAddresses.map(\.address))
        guard let primary = InterfaceAddress.primary(family, among: addresses, except: virtual) else {
            return finding(
                .error, "interface", "interface",
                "\(link.name) has no \(family == .ipv4 ? "IPv4" : "link-local IPv6") address of its own",
                advice: "advertisements are sent from one: ip address add … dev \(link.name)")
        }
        return finding(.ok, "interface", "interface", "\(link.name) is up, advertisements leave from \(primary)")
    }

    private func rightsFinding(_ link: Link, _ netlink: inout Netlink) -> LiveFinding {
        do throws(SystemCallError) {
            try netlink.checkRights()
            _ = try VRRPSocket(
                family: router.node.router.family, interface: link.index, peers: router.node.unicastPeers,
                virtualRouterIDs: [router.node.router.virtualRouterID])
            _ = try AnnouncementSocket(interface: link.index)
        } catch {
            return finding(
                .error, "rights", "rights", "\(error)",
                advice: "run the check as the daemon runs; the unit syncgate.service gives it both capabilities")
        }
        return finding(.ok, "rights", "rights", "raw sockets may be opened and addresses changed")
    }

    /// What real-time priority and locked memory want, tried out on a thread that ends with it.
    static func realTimeFinding(_ settings: RealTime.Settings) -> LiveFinding {
        let shared = Shared()
        do throws(SystemCallError) {
            try HeartbeatThread.start(name: "check", realTime: settings) { found in
                shared.problems.withLock { $0 = found }
            }.join()
        } catch {
            return LiveFinding(.error, "rights", "real_time", "\(error)")
        }
        guard let problem = shared.problems.withLock({ $0.first }) else {
            return LiveFinding(.ok, "rights", "real_time", "real-time priority and locked memory can be had")
        }
        return LiveFinding(
            .warning, "rights", "real_time", "\(problem)",
            advice: "the daemon goes on without; see LimitRTPRIO, LimitMEMLOCK")
    }

    private final class Shared: Sendable {
        let problems = Mutex<[SystemCallError]>([])
    }

    // MARK: - The segment

    /// Listens for some intervals: who else speaks for this VRID?
    func segmentFindings() async -> [LiveFinding] {
        let parameters = router.node.router
        let watch: SegmentWatch
        do throws(SystemCallError) { watch = try SegmentWatch(interface: router.interface) } catch {
            return [finding(.error, "vrid", "vrid", "nobody can be heard: \(error)")]
        }
        let time = min(max(parameters.advertisementInterval * 4, .seconds(1)), .seconds(10))
        // A cancelled wait only means that less was heard.
        do { try await Task.sleep(for: time) } catch {}
        let survey = watch.snapshot
        watch.stop()
        _ = watch.join()
        let heard = survey.routers.filter { $0.advertisement?.virtualRouterID == parameters.virtualRouterID }
            .filter { $0.sender.family == parameters.family }
        guard !heard.isEmpty else {
            return [
                finding(
                    .ok, "vrid", "vrid",
                    "VRID \(parameters.virtualRouterID) is used by nobody on \(router.interface) at present")
            ]
        }
        return heard.map(judge)
    }

    private func judge(_ sender: SegmentSurvey.Router) -> LiveFinding {
        let parameters = router.node.router
        guard let heard = sender.advertisement else { return finding(.ok, "vrid", "vrid", "nothing is heard") }
        let who = "VRID \(parameters.virtualRouterID): \(sender.sender)"
        if Set(heard.addresses) != Set(parameters.addresses) {
            return finding(
                .error, "vrid", "vrid",
                "\(who) stands for \(heard.addresses.map(\.description).joined(separator: ", ")), not for these addresses",
                advice: "choose another vrid, or give both nodes the same addresses")
        }
        if heard.version != parameters.version || heard.interval != parameters.advertisementInterval {
            return finding(
                .warning, "vrid", "vrid",
                "\(who) sends version \(heard.version.rawValue) every \(heard.interval.text), and this file says version "
                    + "\(parameters.version.rawValue) every \(parameters.advertisementInterval.text)",
                advice: "give both nodes the same version and advertisement_interval")
        }
        return finding(.ok, "vrid", "vrid", "\(who) serves these addresses, with priority \(heard.priority)")
    }
}
