internal import Operations
internal import RedisClient

/// Reads `[virtual_router.local]` and `[virtual_router.peer]`.
extension ConfigurationContext {
    /// nil where something is wrong, or missing. `local`: whose credentials and certificates the peer has unless it has
    /// others; nil for the local server itself.
    func endpoint(_ section: ConfigurationSection<ServerKey>, like local: Endpoint? = nil) -> Endpoint? {
        let standard = local == nil ? RedisURL(address: .tcp(host: "127.0.0.1", port: 6379)) : nil
        if standard == nil { section.require(.url, example: "\"redis://198.51.100.2:6379\"") }
        let given = url(section) ?? (section.has(.url) ? nil : standard)
        let secret = password(section)
        let user = section.text(.user, "the name of an ACL user")
        let tls = tlsFiles(section, usesTLS: given?.usesTLS ?? true, like: local)
        guard var url = given else { return nil }
        if url.password != nil, secret.isGiven {
            section.add(.conflict("the url has a password already; give just one of them"), at: secret.key)
        }
        if url.username != nil, user != nil {
            section.add(.conflict("the url names a user already; give just one of them"), at: .user)
        }
        let hasOwn = secret.isGiven || url.password != nil
        url.password = url.password ?? secret.text ?? (hasOwn ? nil : local?.url.password)
        url.username = url.username ?? user ?? (hasOwn ? nil : local?.url.username)
        if given?.username ?? user != nil, url.password == nil, !secret.isGiven {
            section.add(.conflict("a user needs a password: give password_file, password_env or password"), at: .user)
        }
        if hasReadableSecret(section, url: given) {
            section.warn(
                "everybody on this machine can read this password: chmod o-r \(file), or use password_file",
                at: section.has(.password) ? .password : .url)
        }
        return Endpoint(url: url, tls: tls)
    }

    private func url(_ section: ConfigurationSection<ServerKey>) -> RedisURL? {
        guard case .text(let text)? = section.raw(.url) else {
            return section.text(.url, "a URL such as \"redis://198.51.100.1:6379\"") { _ in nil }
        }
        do throws(RedisURLError) { return try RedisURL(parsing: text) } catch {
            section.add(.unusable("\(error)"), at: .url)
            return nil
        }
    }

    private func hasReadableSecret(_ section: ConfigurationSection<ServerKey>, url: RedisURL?) -> Bool {
        (section.has(.password) || url?.password != nil) && FilePlace.isReadableByOthers(file)
    }

    // MARK: - Secrets

    private struct Secret {
        var text: String?
        var key: ServerKey = .password
        var isGiven = false
    }

    private func password(_ section: ConfigurationSection<ServerKey>) -> Secret {
        let given = [ServerKey.password, .passwordFile, .passwordEnvironment].filter(section.has)
        guard let key = given.first else { return Secret() }
        if let other = given.dropFirst().first {
            section.add(
                .conflict("there is \(key.rawValue) as well; give just one of password, password_file, password_env"),
                at: other)
        }
        let text: String? =
            switch key {
            case .passwordFile:
                section.text(.passwordFile, "the path of a file").flatMap { passwordFile(path($0), section) }
            case .passwordEnvironment:
                section.text(.passwordEnvironment, "the name of an environment variable").flatMap {
                    passwordVariable($0, section)
                }
            default: section.text(.password, "a text in quotes that is not empty")
            }
        return Secret(text: text, key: key, isGiven: true)
    }

    private func passwordFile(_ path: String, _ section: ConfigurationSection<ServerKey>) -> String? {
        do throws(FilePlace.Failure) {
            let line = try FilePlace.text(of: path, limit: 65_536).prefix { !$0.isNewline }
            if FilePlace.isReadableByOthers(path) {
                section.warn("everybody on this machine can read \(path): chmod o-r it", at: .passwordFile)
            }
            if !line.isEmpty { return String(line) }
            section.add(.unusable("\(path) has no password in its first line"), at: .passwordFile)
        } catch {
            section.add(.unusable("\(path) \(error.reason)"), at: .passwordFile)
        }
        return nil
    }

    private func passwordVariable(_ name: String, _ section: ConfigurationSection<ServerKey>) -> String? {
        if let value = surroundings.variable(name), !value.isEmpty { return value }
        section.add(
            .unusable("the environment variable \(ConfigurationProblem.quoted(name)) is not set, or empty"),
            at: .passwordEnvironment)
        return nil
    }

    // MARK: - TLS

    private func tlsFiles(
        _ section: ConfigurationSection<ServerKey>, usesTLS: Bool, like local: Endpoint?
    ) -> TLSFiles {
        let keys: [ServerKey] = [.authorityFile, .certificateFile, .keyFile]
        let paths = keys.map { section.text($0, "the path of a PEM file").map(path) }
        let name = section.text(.serverName, "the DNS name in the server's certificate")
        for key in keys + [.serverName] where section.has(key) && !usesTLS {
            section.add(.conflict("means nothing without TLS; the url then begins with rediss://"), at: key)
        }
        for (key, other) in [(ServerKey.certificateFile, ServerKey.keyFile), (.keyFile, .certificateFile)]
        where section.has(key) && !section.has(other) {
            section.add(.conflict("needs \(other.rawValue) beside it"), at: key)
        }
        for (key, path) in zip(keys, paths) {
            if let path, !FilePlace.isReadable(path) { section.warn("\(path) cannot be read", at: key) }
        }
        guard usesTLS else { return TLSFiles() }
        let inherited = local?.url.usesTLS == true ? local?.tls : nil
        let hasOwn = section.has(.certificateFile)
        return TLSFiles(
            certificateAuthority: paths[0] ?? inherited?.certificateAuthority,
            certificate: hasOwn ? paths[1] : inherited?.certificate, key: hasOwn ? paths[2] : inherited?.key,
            serverName: name)
    }
}
