internal import CLinuxNet
internal import Glibc

/// What keeps advertisements punctual on a busy machine: real-time priority for the heartbeat's thread, and memory that
/// is never paged out. Both need rights; a heartbeat without them works, and says so.
public enum RealTime {
    /// What to ask for.
    public struct Settings: Sendable, Hashable {
        /// SCHED_RR, 1 (lowest) ... 99; nil for ordinary scheduling.
        public var priority: Int32?
        /// Whether the memory of the whole process is locked.
        public var locksMemory: Bool

        /// Makes settings; as they stand, low real-time priority, which wins against everything ordinary.
        public init(priority: Int32? = 10, locksMemory: Bool = false) {
            self.priority = priority
            self.locksMemory = locksMemory
        }
    }

    /// <sched.h>: SCHED_RESET_ON_FORK, hidden behind _GNU_SOURCE.
    private static let resetOnFork: Int32 = 0x4000_0000

    /// Gives the calling thread real-time priority (SCHED_RR), 1...99; threads that it starts do not inherit it. Needs
    /// CAP_SYS_NICE or LimitRTPRIO.
    public static func enable(priority: Int32) throws(SystemCallError) {
        var parameters = sched_param()
        parameters.sched_priority = priority
        // It returns the number instead of setting errno.
        let code = pthread_setschedparam(pthread_self(), SCHED_RR | resetOnFork, &parameters)
        guard code == 0 else { throw SystemCallError(.realTimePriority(priority), ErrorNumber(rawValue: code)) }
    }

    /// The real-time priority of the calling thread; nil where it has ordinary scheduling.
    package static var presentPriority: Int32? {
        var parameters = sched_param()
        var policy: Int32 = 0
        guard pthread_getschedparam(pthread_self(), &policy, &parameters) == 0, policy & ~resetOnFork == SCHED_RR else {
            return nil
        }
        return parameters.sched_priority
    }

    /// Locks what the process has in memory, and what it touches later (mlockall with MCL_ONFAULT: without it, every
    /// thread's whole stack would count). Needs CAP_IPC_LOCK or LimitMEMLOCK.
    public static func lockMemory() throws(SystemCallError) {
        guard mlockall(Int32(MCL_CURRENT) | Int32(MCL_FUTURE) | Int32(CLINUXNET_MCL_ONFAULT)) == 0 else {
            throw SystemCallError(.lockMemory, .current)
        }
    }

    /// Does what the settings ask for, for the calling thread, and returns what did not work: no reason to stop.
    public static func apply(_ settings: Settings) -> [SystemCallError] {
        var problems: [SystemCallError] = []
        // Memory first: locking takes time that the heartbeat should not spend at real-time priority.
        if settings.locksMemory {
            do throws(SystemCallError) { try lockMemory() } catch { problems.append(error) }
        }
        if let priority = settings.priority {
            do throws(SystemCallError) { try enable(priority: priority) } catch { problems.append(error) }
        }
        return problems
    }
}
