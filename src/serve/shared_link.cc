#include "serve/shared_link.h"

#include "serve/live_limits.h"
#include "serve/view_parameters.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <unistd.h>

namespace tidemark::serve {
namespace {

constexpr size_t key_bytes = 32;
constexpr size_t link_bytes_max = 4096;  // of an address, which browsers and proxies take

std::string base64url(std::string_view bytes) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const char byte : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(byte);
    count += 8;
    while (count >= 6) text += letters[(bits >> (count -= 6)) & 63];
  }
  if (count > 0) text += letters[(bits << (6 - count)) & 63];
  return text;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char letter : text) {
    uint32_t value = 0;
    if (letter >= 'A' && letter <= 'Z')
      value = static_cast<uint32_t>(letter - 'A');
    else if (letter >= 'a' && letter <= 'z')
      value = static_cast<uint32_t>(letter - 'a') + 26;
    else if (letter >= '0' && letter <= '9')
      value = static_cast<uint32_t>(letter - '0') + 52;
    else if (letter == '-' || letter == '_')
      value = letter == '-' ? 62 : 63;
    else
      return std::nullopt;
    bits = (bits << 6) | value;
    count += 6;
    if (count >= 8) bytes += static_cast<char>((bits >> (count -= 8)) & 0xff);
  }
  return bytes;
}

tl::unexpected<Error> not_ours() {
  return fail(ErrorKind::refused, "this link was not made by this project, or its key has changed",
              "ask whoever sent it for a new one");
}

Result<std::string> read_key(const std::filesystem::path& file) {
  std::ifstream input(file, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(input)), std::istreambuf_iterator<char>());
  while (text.ends_with('\n')) text.pop_back();
  auto bytes = from_base64url(text);
  if (!bytes || bytes->size() < key_bytes)
    return fail(ErrorKind::config, fmt::format("{} is no key", file.string()),
                "delete it: a new one is made, and links of before end");
  return *bytes;
}

}  // namespace

Result<std::string> new_link_id() {
  unsigned char bytes[9];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return fail(ErrorKind::internal, "no random bytes for a link");
  // Not to begin with a dash, which a command line takes for an option.
  return "l" + base64url({reinterpret_cast<const char*>(bytes), sizeof bytes});
}

Status SharedLink::fits(const config::Dashboard& wanted) const {
  std::vector<std::string> names;
  for (const auto& filter : wanted.filters) names.push_back(filter.name);
  for (const auto& [name, values] : filters) {
    auto filter = std::find_if(wanted.filters.begin(), wanted.filters.end(),
                               [&](const auto& one) { return one.name == name; });
    if (filter == wanted.filters.end())
      return fail(ErrorKind::usage, fmt::format("the dashboard {} has no filter {}{}", wanted.name, name,
                                                config::did_you_mean(name, names)));
    if (values.empty()) return fail(ErrorKind::usage, fmt::format("the filter {} has no value", name));
    for (const auto& value : values)
      if (!fits_number(filter->type, value) || value.size() > limits::filter_value_bytes_max)
        return fail(ErrorKind::usage,
                    fmt::format("{} is of type {}, and '{}' is not", name, filter->type, value));
    for (const auto& tile : wanted.tiles)
      if (!tile.query.empty() && std::none_of(tile.parameters.begin(), tile.parameters.end(),
                                              [&](const auto& one) { return one.name == name; }))
        return fail(ErrorKind::usage,
                    fmt::format("the tile `{}` of {} does not name the filter {}, and would show everything",
                                tile.title, wanted.name, name),
                    fmt::format("write {{{}:Array({})}} into its SQL, or share a dashboard without that tile",
                                name, filter->type));
  }
  return {};
}

Result<LinkKey> LinkKey::open(const std::filesystem::path& project_directory) {
  std::filesystem::path file = project_directory / ".tidemark" / "link.key";
  std::error_code failure;
  if (std::filesystem::exists(file, failure)) return LinkKey(TRY(read_key(file)));
  std::filesystem::create_directories(file.parent_path(), failure);
  unsigned char bytes[key_bytes];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return fail(ErrorKind::internal, "no random bytes for a key");
  std::string text = base64url({reinterpret_cast<const char*>(bytes), sizeof bytes}) + "\n";
  // Whole under a name of its own, then linked: of two that make one at once the first wins.
  std::filesystem::path made = file;
  made += fmt::format(".{}", getpid());
  int descriptor = ::open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool written =
      descriptor >= 0 && write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (descriptor >= 0) close(descriptor);
  bool linked = written && (link(made.c_str(), file.c_str()) == 0 || errno == EEXIST);
  std::string reason = std::strerror(errno);
  unlink(made.c_str());
  if (!linked)
    return fail(ErrorKind::dependency_down, fmt::format("{} cannot be written: {}", file.string(), reason));
  return LinkKey(TRY(read_key(file)));
}

std::string LinkKey::signature_of(std::string_view payload) const {
  std::string signed_text = "tidemark-link-1." + std::string(payload);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), bytes_.data(), static_cast<int>(bytes_.size()),
       reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(), digest, &size);
  return base64url({reinterpret_cast<const char*>(digest), size});
}

std::string LinkKey::sign(const SharedLink& link) const {
  boost::json::object filters;
  for (const auto& [name, values] : link.filters) filters[name] = boost::json::value_from(values);
  std::string payload =
      base64url(boost::json::serialize(boost::json::object{{"id", link.id},
                                                           {"dashboard", link.dashboard},
                                                           {"filters", std::move(filters)},
                                                           {"embed", boost::json::value_from(link.embed)},
                                                           {"expires", link.expires_s}}));
  return payload + "." + signature_of(payload);
}

Result<SharedLink> LinkKey::verify(std::string_view token, int64_t now_s) const {
  size_t point = token.find('.');
  if (token.size() > link_bytes_max || point == std::string_view::npos) return not_ours();
  std::string_view payload = token.substr(0, point), given = token.substr(point + 1);
  std::string expected = signature_of(payload);
  if (given.size() != expected.size() || CRYPTO_memcmp(given.data(), expected.data(), expected.size()) != 0)
    return not_ours();
  // We wrote what follows.
  auto bytes = from_base64url(payload);
  boost::system::error_code error;
  boost::json::value parsed = boost::json::parse(bytes ? *bytes : "", error);
  if (error || !parsed.is_object()) return not_ours();
  const auto& object = parsed.as_object();
  SharedLink link;
  if (const auto* id = object.if_contains("id")) link.id = id->as_string();
  link.dashboard = object.at("dashboard").as_string();
  link.expires_s = object.at("expires").to_number<int64_t>();
  for (const auto& [name, values] : object.at("filters").as_object())
    link.filters[std::string(name)] = boost::json::value_to<std::vector<std::string>>(values);
  link.embed = boost::json::value_to<std::vector<std::string>>(object.at("embed"));
  if (now_s >= link.expires_s)
    return fail(ErrorKind::limit, "the time of this link is over", "ask whoever sent it for a new one");
  return link;
}

}  // namespace tidemark::serve
