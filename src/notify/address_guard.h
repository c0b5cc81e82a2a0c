// Which addresses a destination may be reached at. A URL comes from a project file or, later, from a person
// who uses an API; without this guard it could make the server ask services that only the server's own
// network can reach (SSRF).
//
// The check is made on the address that is about to be connected to, not on the name: what a name resolves to
// between two look-ups (rebinding), and spellings of addresses ("2130706433", "0177.1", "::ffff:127.0.0.1"),
// make no difference. Refused: loopback, private, link-local (with the clouds' metadata services), shared,
// multicast, reserved and documentation ranges, in IPv4, IPv6 and IPv4 inside IPv6 (mapped, compatible,
// 6to4, Teredo, NAT64). Immutable.
#pragma once

#include "config/network.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;

namespace tidemark::notify {

using config::Address;
using config::ipv4_address;
using config::Network;

// Nothing for other families than IPv4 and IPv6.
std::optional<Address> address_of(const sockaddr* socket_address);
std::string text_of(const Address& address);

class AddressGuard {
 public:
  // `allowed`: networks that are no danger, though they are not public.
  AddressGuard(bool allow_all, std::vector<Network> allowed)
      : allow_all_(allow_all), allowed_(std::move(allowed)) {}
  // Why the address is refused: "loopback", "private", ...; nothing when it may be connected to.
  std::optional<std::string> refuses(const Address& address) const;

 private:
  bool allow_all_;
  std::vector<Network> allowed_;
};

}  // namespace tidemark::notify
