import Failover
import RedisClient
import Replication
import Testing

@testable import Daemon

/// The watch alone: events in, actions out.
@Suite("RedisWatch")
struct RedisWatchTests {
    private static let start = ContinuousClock.now
    private func at(_ milliseconds: Int) -> Instant { Self.start + .milliseconds(milliseconds) }
    private static let replication = """
        # Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_replid:8f3c1d2e00000000000000000000000000000000\r
        master_repl_offset:1000\r\nrepl_backlog_active:1\r\n
        """
    private static let server =
        "# Server\r\nredis_version:7.0.15\r\nrun_id:aaaa\r\ntcp_port:6379\r\nredis_mode:standalone\r\n"
    private static let others = ["# Persistence\r\nloading:0\r\n", "# Keyspace\r\ndb0:keys=5,expires=0\r\n"]

    private typealias Outcome = Result<RedisReply, RedisError>
    private func text(_ text: String) -> Outcome { .success(.bulk(Array(text.utf8))) }
    private var full: [Outcome] { ([Self.replication, Self.server] + Self.others).map(text) }
    private let brief = RedisWatch.Action.ask(.init(isFull: false, withChannels: false))
    private let everything = RedisWatch.Action.ask(.init(isFull: true, withChannels: false))

    private func watch(readsChannels: Bool = false) -> RedisWatch {
        var watch = RedisWatch(
            .init(
                sampleInterval: .milliseconds(100), downAfter: .seconds(1), calmInterval: .milliseconds(250),
                calmReplicaInterval: .seconds(1), readsChannels: readsChannels))
        #expect(watch.deadline == nil)
        #expect(watch.handle(.started, now: at(0)) == [.connect])
        return watch
    }

    /// Has answered the first question, of 1 ms, at 2 ms.
    private func observed() -> RedisWatch {
        var watch = watch()
        #expect(watch.handle(.connected, now: at(1)) == [everything])
        guard case .post(.observed(let first)) = watch.handle(.answered(full), now: at(2)).first else {
            Issue.record("no reading")
            return watch
        }
        #expect(first.at == at(1) && first.info.keys == 5 && first.info.server?.runID == "aaaa")
        #expect(watch.deadline == at(101))
        return watch
    }

    @Test("the sections that were not asked for are those of the last full question")
    func merged() {
        var watch = observed()
        #expect(watch.handle(.deadlineReached, now: at(101)) == [brief])
        let answer = text(Self.replication.replacing("1000", with: "1014"))
        guard case .post(.observed(let next)) = watch.handle(.answered([answer]), now: at(102)).first else {
            Issue.record("no reading")
            return
        }
        #expect(next.info.masterReplicationOffset == 1014)
        #expect(next.info.keys == 5 && next.info.server?.runID == "aaaa" && next.info.persistence?.isLoading == false)
        #expect(watch.deadline == at(201))
        #expect(watch.handle(.deadlineReached, now: at(1001)) == [everything])
    }

    @Test("asked every 250 ms while nothing moves, else every 100 ms, or as seldom as it is sampled")
    func calm() {
        var watch = observed()
        let moved = [text(Self.replication.replacing("1000", with: "1014"))]
        for (due, answer, next) in [
            (101, [text(Self.replication)], 351), (351, [text(Self.replication)], 601), (601, moved, 701),
            (701, moved, 951),
        ] {
            #expect(watch.handle(.deadlineReached, now: at(due)) == [brief])
            _ = watch.handle(.answered(answer), now: at(due + 1))
            #expect(watch.deadline == at(next))
        }
        watch.settings.sampleInterval = .milliseconds(300)
        #expect(watch.handle(.deadlineReached, now: at(951)) == [brief])
        _ = watch.handle(.answered(moved), now: at(952))
        #expect(watch.deadline == at(1251))
    }

    @Test("another history: the other sections are read at once")
    func news() {
        var watch = observed()
        _ = watch.handle(.deadlineReached, now: at(101))
        #expect(
            watch.handle(.answered([text(Self.replication.replacing("8f3c", with: "0bad"))]), now: at(102)) == [
                everything
            ])
    }

    @Test("a question without an answer: silent since it was sent, again and again; then a new connection")
    func silent() {
        var watch = observed()
        #expect(watch.handle(.deadlineReached, now: at(101)) == [brief])
        #expect(watch.deadline == at(201))
        let silence = RedisWatch.Action.post(.silent(since: at(101)))
        for now in stride(from: 201, to: 1001, by: 100) {
            #expect(watch.handle(.deadlineReached, now: at(now)) == [silence])
        }
        // A little late as it may be, the moment at which it counts is not missed.
        #expect(watch.handle(.deadlineReached, now: at(1050)) == [silence])
        #expect(watch.deadline == at(1101))
        for now in stride(from: 1101, to: 2101, by: 100) {
            #expect(watch.handle(.deadlineReached, now: at(now)) == [silence])
        }
        #expect(watch.handle(.deadlineReached, now: at(2101)) == [silence, .disconnect, .connect])
        for now in stride(from: 2201, to: 3101, by: 100) {
            #expect(watch.handle(.deadlineReached, now: at(now)) == [silence])
        }
        #expect(watch.handle(.notConnected(.connectTimedOut(after: .seconds(1))), now: at(3101)) == [])
        #expect(watch.handle(.deadlineReached, now: at(3101)) == [silence, .connect])
        #expect(watch.handle(.connected, now: at(3102)) == [everything])
        #expect(watch.handle(.deadlineReached, now: at(3201)) == [silence])
        #expect(watch.handle(.answered(full), now: at(3202)).count == 1)
        #expect(watch.deadline == at(3202))
    }

    @Test("asked while a question is under way, it is asked once more: that answer may be of before")
    func hurried() {
        var watch = observed()
        #expect(watch.handle(.hurried, now: at(50)) == [everything])
        #expect(watch.handle(.hurried, now: at(51)) == [])
        #expect(watch.handle(.hurried, now: at(51)) == [])
        #expect(watch.handle(.answered(full), now: at(52)).last == everything)
        #expect(watch.handle(.answered(full), now: at(53)).count == 1)
        #expect(watch.deadline ?? at(0) > at(53))
    }

    @Test("who stood still has not waited: the server has its time from then on")
    func overslept() {
        var watch = observed()
        _ = watch.handle(.deadlineReached, now: at(101))
        // Two seconds that both stood still.
        let silence = RedisWatch.Action.post(.silent(since: at(2001)))
        #expect(watch.handle(.deadlineReached, now: at(2101)) == [silence])
        #expect(watch.handle(.answered(full), now: at(2102)).count == 1)
    }

    @Test("a closed connection says nothing; the next one does")
    func closed() {
        var refused = observed()
        #expect(refused.handle(.closed(.closed), now: at(50)) == [.connect])
        #expect(refused.handle(.notConnected(.refused), now: at(51)) == [.post(.dead)])
        #expect(refused.deadline == at(151))
        #expect(refused.handle(.deadlineReached, now: at(151)) == [.connect])
        #expect(refused.handle(.notConnected(.refused), now: at(152)) == [.post(.dead)])
        var back = observed()
        #expect(back.handle(.closed(.closed), now: at(50)) == [.connect])
        #expect(back.handle(.connected, now: at(51)) == [everything])
    }

    @Test("a server that hangs up without a word is not asked in a tight loop")
    func rude() {
        var watch = watch()
        var now = 1
        for pause in [2, 4, 8, 16, 32, 64, 100, 100] {
            _ = watch.handle(.connected, now: at(now))
            #expect(watch.handle(.closed(.closed), now: at(now)) == [.disconnect])
            #expect(!watch.handle(.deadlineReached, now: at(now + pause - 1)).contains(.connect))
            now += pause
            #expect(watch.handle(.deadlineReached, now: at(now)).contains(.connect))
        }
    }

    @Test("a password that was right a moment ago is a fence, and busy; after its time it is wrong")
    func lockedOut() {
        let error = RedisError.server(RedisServerError(message: "NOAUTH Authentication required."))
        var fresh = watch()
        _ = fresh.handle(.connected, now: at(1))
        #expect(fresh.handle(.answered([.failure(error)]), now: at(2)) == [.disconnect, .post(.unusable("\(error)"))])
        var known = observed()
        _ = known.handle(.deadlineReached, now: at(101))
        #expect(known.handle(.answered([.failure(error)]), now: at(102)) == [.disconnect, .post(.busy("\(error)"))])
        #expect(known.handle(.deadlineReached, now: at(202)) == [.connect])
        #expect(known.handle(.notConnected(error), now: at(6101)) == [.post(.busy("\(error)"))])
        #expect(known.handle(.deadlineReached, now: at(6201)) == [.connect])
        #expect(known.handle(.notConnected(error), now: at(6202)) == [.post(.unusable("\(error)"))])
    }

    @Test("presence channels are asked for 150 ms after the last time; a refusal is told, and nothing else")
    func channels() {
        var watch = watch(readsChannels: true)
        let asked = RedisWatch.Question(isFull: true, withChannels: true, withRights: true)
        #expect(watch.handle(.connected, now: at(1)) == [.ask(asked)])
        let names = Outcome.success(.array([.bulk(Array("syncgate:1:a:serving:1:1".utf8))]))
        let wrongPort = RedisError.server(RedisServerError(message: "ERR Invalid master port"))
        let first = watch.handle(.answered(full + [names, .failure(wrongPort)]), now: at(2))
        #expect(first.last == .channels(["syncgate:1:a:serving:1:1"], reason: ""))
        #expect(watch.handle(.deadlineReached, now: at(101)) == [brief])
        _ = watch.handle(.answered([text(Self.replication.replacing("1000", with: "1014"))]), now: at(102))
        #expect(watch.handle(.deadlineReached, now: at(201)) == [.ask(.init(isFull: false, withChannels: true))])
        let denied = RedisError.server(RedisServerError(message: "NOPERM no channels"))
        let actions = watch.handle(.answered([text(Self.replication), .failure(denied)]), now: at(202))
        #expect(actions.count == 2)
        #expect(actions.last == .channels(nil, reason: "PUBSUB CHANNELS: \(denied)"))
    }

    @Test(
        "a server that lets nobody change its role is of no use, and is asked again until it does; no answer is no refusal"
    )
    func rights() {
        let names = Outcome.success(.array([]))
        for words in [
            "NOPERM this user has no permissions to run the 'slaveof' command", "ERR unknown command 'SLAVEOF'",
        ] {
            var watch = watch(readsChannels: true)
            _ = watch.handle(.connected, now: at(1))
            let denied = Outcome.failure(.server(RedisServerError(message: words)))
            let actions = watch.handle(.answered(full + [names, denied]), now: at(2))
            #expect(actions.first == .disconnect)
            guard case .post(.unusable(let reason))? = actions.last else {
                Issue.record("\(actions)")
                continue
            }
            #expect(reason.contains("SLAVEOF") && reason.contains(words))
            #expect(watch.handle(.deadlineReached, now: at(1002)) == [.connect])
        }
    }
}
