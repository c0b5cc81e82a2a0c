#include "serve/link_register.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <system_error>

namespace tidemark::serve {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// Who was sent a link may ask why it shows nothing.
constexpr int64_t kept_after_the_end_s = 24 * 3'600;

// Ids are our own letters (new_link_id); anything else would name a file elsewhere.
bool is_id(const std::string& text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](unsigned char letter) {
           return std::isalnum(letter) != 0 || letter == '-' || letter == '_';
         });
}

Status write_new(const fs::path& file, const std::string& text) {
  std::error_code failure;
  fs::create_directories(file.parent_path(), failure);
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  stream.close();
  if (!stream)
    return fail(ErrorKind::dependency_down, fmt::format("{} cannot be written", file.string()),
                "check the right to write there, and the space on the disk");
  return {};
}

std::optional<MadeLink> read_link(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  boost::system::error_code error;
  json::value parsed = json::parse(text, error);
  if (error || !parsed.is_object()) return std::nullopt;
  try {
    const auto& object = parsed.as_object();
    MadeLink made;
    made.made_s = object.at("made").to_number<int64_t>();
    made.link.id = file.stem().string();
    made.link.dashboard = object.at("dashboard").as_string();
    made.link.expires_s = object.at("expires").to_number<int64_t>();
    for (const auto& [name, values] : object.at("filters").as_object())
      made.link.filters[std::string(name)] = json::value_to<std::vector<std::string>>(values);
    made.link.embed = json::value_to<std::vector<std::string>>(object.at("embed"));
    return made;
  } catch (const std::exception&) {
    return std::nullopt;  // not written by us, or not to its end
  }
}

}  // namespace

LinkRegister::LinkRegister(const fs::path& project_directory)
    : directory_(project_directory / ".tidemark" / "links") {}

fs::path LinkRegister::file(const std::string& id, const char* kind) const {
  return directory_ / (id + kind);
}

Status LinkRegister::add(const SharedLink& link, int64_t now_s) const {
  json::object filters;
  for (const auto& [name, values] : link.filters) filters[name] = json::value_from(values);
  return write_new(file(link.id, ".json"),
                   json::serialize(json::object{{"dashboard", link.dashboard},
                                                {"filters", std::move(filters)},
                                                {"embed", json::value_from(link.embed)},
                                                {"expires", link.expires_s},
                                                {"made", now_s}}) +
                       "\n");
}

Result<std::vector<MadeLink>> LinkRegister::list(int64_t now_s) const {
  std::vector<MadeLink> links;
  std::error_code failure;
  if (!fs::exists(directory_, failure)) return links;
  fs::directory_iterator files(directory_, failure);
  if (failure)
    return fail(ErrorKind::dependency_down,
                fmt::format("{} cannot be read: {}", directory_.string(), failure.message()));
  for (const auto& entry : files) {
    if (entry.path().extension() != ".json") continue;
    auto made = read_link(entry.path());
    if (!made) continue;
    if (made->link.expires_s + kept_after_the_end_s < now_s) {
      fs::remove(entry.path(), failure);
      fs::remove(file(made->link.id, ".revoked"), failure);
      continue;
    }
    made->revoked = is_revoked(made->link.id);
    links.push_back(std::move(*made));
  }
  std::sort(links.begin(), links.end(), [](const MadeLink& a, const MadeLink& b) {
    return std::pair(b.made_s, b.link.id) < std::pair(a.made_s, a.link.id);
  });
  return links;
}

Status LinkRegister::revoke(const std::string& id, int64_t now_s) const {
  const auto links = TRY(list(now_s));
  if (std::none_of(links.begin(), links.end(), [&](const MadeLink& one) { return one.link.id == id; }))
    return fail(ErrorKind::usage, fmt::format("there is no link {}", id),
                "`tidemark link list` shows them; those that were made without an id end when "
                ".tidemark/link.key is deleted");
  return write_new(file(id, ".revoked"), "");
}

bool LinkRegister::is_revoked(const std::string& id) const {
  std::error_code failure;
  return is_id(id) && fs::exists(file(id, ".revoked"), failure);
}

}  // namespace tidemark::serve
