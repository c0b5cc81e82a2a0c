#include "notify/address_guard.h"

#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>

namespace tidemark::notify {
namespace {

struct Range {
  const char* network;
  const char* what;
};

// IANA's special-purpose registries; the first that fits names the reason.
constexpr Range refused_ranges[] = {
    {"0.0.0.0/8", "this host"},
    {"10.0.0.0/8", "private"},
    {"100.64.0.0/10", "shared address space"},
    {"127.0.0.0/8", "loopback"},
    {"169.254.0.0/16", "link-local (metadata services live there)"},
    {"172.16.0.0/12", "private"},
    {"192.0.0.0/24", "reserved"},
    {"192.0.2.0/24", "documentation"},
    {"192.31.196.0/24", "reserved"},
    {"192.52.193.0/24", "reserved"},
    {"192.88.99.0/24", "reserved"},
    {"192.168.0.0/16", "private"},
    {"192.175.48.0/24", "reserved"},
    {"198.18.0.0/15", "benchmarking"},
    {"198.51.100.0/24", "documentation"},
    {"203.0.113.0/24", "documentation"},
    {"224.0.0.0/4", "multicast"},
    {"240.0.0.0/4", "reserved or broadcast"},
    {"::/128", "this host"},
    {"::1/128", "loopback"},
    {"64:ff9b:1::/48", "private translation"},
    {"100::/64", "discard"},
    {"2001::/23", "protocol assignments"},
    {"2001:db8::/32", "documentation"},
    {"3fff::/20", "documentation"},
    {"5f00::/16", "segment routing"},
    {"fc00::/7", "private"},
    {"fe80::/10", "link-local"},
    {"fec0::/10", "site-local"},
    {"ff00::/8", "multicast"},
};

constexpr uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Forms of IPv6 that end up at an IPv4 address: the prefix's bits, and where the four bytes are.
struct Embedding {
  const char* network;
  size_t offset;
};
constexpr Embedding embeddings[] = {{"::/96", 12}, {"64:ff9b::/96", 12}, {"2002::/16", 2}};

struct Table {
  std::vector<std::pair<Network, const char*>> refused;
  std::vector<std::pair<Network, size_t>> embedded;
  Table() {
    for (const auto& range : refused_ranges)
      refused.emplace_back(config::parse_network(range.network).value(), range.what);
    for (const auto& form : embeddings)
      embedded.emplace_back(config::parse_network(form.network).value(), form.offset);
  }
};

const Table& table() {
  static const Table built;
  return built;
}

std::optional<std::string> listed(const Address& address) {
  for (const auto& [network, what] : table().refused)
    if (network.contains(address)) return what;
  return std::nullopt;
}

}  // namespace

std::optional<Address> address_of(const sockaddr* socket_address) {
  if (socket_address->sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, socket_address, sizeof four);
    return ipv4_address(reinterpret_cast<const uint8_t*>(&four.sin_addr));
  }
  if (socket_address->sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 six{};
  std::memcpy(&six, socket_address, sizeof six);
  Address address;
  std::memcpy(address.data(), &six.sin6_addr, address.size());
  return address;
}

std::string text_of(const Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (std::memcmp(address.data(), mapped_prefix, sizeof mapped_prefix) == 0)
    inet_ntop(AF_INET, address.data() + 12, text, sizeof text);
  else
    inet_ntop(AF_INET6, address.data(), text, sizeof text);
  return text;
}

std::optional<std::string> AddressGuard::refuses(const Address& address) const {
  if (allow_all_) return std::nullopt;
  for (const auto& network : allowed_)
    if (network.contains(address)) return std::nullopt;
  if (auto what = listed(address)) return what;
  for (const auto& [network, offset] : table().embedded)
    if (network.contains(address)) {
      Address inner = ipv4_address(address.data() + offset);
      for (const auto& allowed : allowed_)
        if (allowed.contains(inner)) return std::nullopt;
      if (auto what = listed(inner)) return "IPv4 inside IPv6, " + *what;
    }
  return std::nullopt;
}

}  // namespace tidemark::notify
