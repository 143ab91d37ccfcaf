import Foundation
import Testing

@testable import Daemon

@Suite struct ControlSocketTests {
    private func trouble(_ configuration: DaemonConfiguration.Control) -> String? {
        do throws(ControlSocket.Trouble) {
            let socket = try ControlSocket(configuration)
            close(socket.descriptor)
            socket.remove()
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func `it has its rights, and its folder is made`() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/a/b/control.sock"
        let socket = try ControlSocket(.init(socket: path, mode: 0o640))
        var status = stat()
        #expect(lstat(path, &status) == 0)
        #expect(status.st_mode == S_IFSOCK | 0o640)
        close(socket.descriptor)
        socket.remove()
        #expect(lstat(path, &status) != 0)
    }

    @Test func `one that a killed daemon left is replaced`() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/control.sock"
        let left = try ControlSocket(.init(socket: path))
        close(left.descriptor)
        // Its process is gone, and the lock with it.
        #expect(trouble(.init(socket: path)) == "\(path): another daemon listens there")
        unlink(path + ".lock")
        #expect(trouble(.init(socket: path)) == nil)
        _ = consume left
    }

    @Test func `one that another process listens on is left alone`() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/control.sock"
        let other = try ControlSocket(.init(socket: path))
        #expect(listen(other.descriptor, 1) == 0)
        unlink(path + ".lock")
        #expect(trouble(.init(socket: path)) == "\(path): another process listens there")
        var status = stat()
        #expect(lstat(path, &status) == 0)
        close(other.descriptor)
        _ = consume other
    }

    @Test func `what is no socket is left alone`() throws {
        let folder = try TestFolder()
        try folder.write("precious", to: "control.sock")
        let path = "\(folder.path)/control.sock"
        #expect(trouble(.init(socket: path)) == "\(path) is there, and is no socket")
        #expect(folder.text("control.sock") == "precious")
    }

    @Test func `users and groups that are not there are named`() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/control.sock"
        #expect(trouble(.init(socket: path, owner: "no-such-user")) == "there is no user 'no-such-user'")
        #expect(trouble(.init(socket: path, group: "no-such-group")) == "there is no group 'no-such-group'")
        #expect(trouble(.init(socket: path, group: "nogroup")) == nil)
    }

    @Test(.enabled(if: geteuid() == 0, "only root gives files away"))
    func `it belongs to the owner and the group that it is given`() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/control.sock"
        for (owner, group, ids) in [
            (nil, "nogroup", [0, 65534]), ("nobody", nil, [65534, getegid()]), ("nobody", "nogroup", [65534, 65534]),
            (nil, nil, [0, getegid()]),
        ] as [(String?, String?, [UInt32])] {
            let socket = try ControlSocket(.init(socket: path, mode: 0o660, owner: owner, group: group))
            var status = stat()
            #expect(lstat(path, &status) == 0)
            #expect([status.st_uid, status.st_gid] == ids, "\(owner ?? "-") \(group ?? "-")")
            #expect(status.st_mode == S_IFSOCK | 0o660)
            close(socket.descriptor)
            socket.remove()
        }
    }

    @Test func `a path that no socket can have is said so`() {
        let long = "/tmp/" + String(repeating: "x", count: 103)
        #expect(trouble(.init(socket: long))?.hasSuffix("has at most 107 bytes") == true)
        #expect(trouble(.init(socket: "relative"))?.hasSuffix("has at most 107 bytes") == true)
    }
}
