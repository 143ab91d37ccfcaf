@testable import VRRP

/// The bytes that pairs of hexadecimal digits spell; spaces and newlines between them are ignored.
func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = hexadecimal.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue!) }
    precondition(digits.count % 2 == 0)
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// The other way round, two lower-case digits for each byte.
func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

func ip(_ text: String) -> IPAddress { IPAddress(text)! }

func vrid(_ number: Int) -> VirtualRouterID { VirtualRouterID(number)! }
