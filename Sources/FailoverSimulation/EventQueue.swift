/// What is to happen, by time, and in the order of scheduling where times are equal.
struct EventQueue {
    typealias Job = (World) -> Void

    private struct Entry {
        var time: Time
        var order: Int
        var slot: Int
    }

    private var heap: [Entry] = []
    private var jobs: [Job?] = []
    private var free: [Int] = []
    private var count = 0

    /// When the next one is due; nil where nothing is.
    var nextTime: Time? { heap.first?.time }

    mutating func schedule(at time: Time, _ job: @escaping Job) {
        count += 1
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            jobs[slot] = job
        } else {
            slot = jobs.count
            jobs.append(job)
        }
        heap.append(Entry(time: time, order: count, slot: slot))
        rise(heap.count - 1)
    }

    /// Takes the next one out.
    mutating func take() -> (time: Time, job: Job)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        guard let job = jobs[first.slot] else { return nil }
        jobs[first.slot] = nil
        free.append(first.slot)
        return (first.time, job)
    }

    private func precedes(_ one: Entry, _ other: Entry) -> Bool {
        one.time != other.time ? one.time < other.time : one.order < other.order
    }

    private mutating func rise(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard precedes(heap[index], heap[parent]) else { return }
            heap.swapAt(index, parent)
            index = parent
        }
    }

    private mutating func sink() {
        var index = 0
        while true {
            var least = index
            for child in (2 * index + 1)..<(2 * index + 3)
            where child < heap.count && precedes(heap[child], heap[least]) {
                least = child
            }
            guard least != index else { return }
            heap.swapAt(index, least)
            index = least
        }
    }
}
