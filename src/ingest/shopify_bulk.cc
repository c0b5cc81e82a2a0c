#include "ingest/shopify_bulk.h"

#include "ingest/pull_limits.h"
#include "ingest/shopify_shape.h"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <functional>
#include <unordered_map>
#include <vector>

namespace tidemark::ingest {

namespace json = boost::json;

namespace {

// The list that an element is of.
const char* list_of(const std::string& type) {
  if (type == "LineItem") return "lineItems";
  return type.ends_with("Application") ? "discountApplications" : nullptr;
}

Status cannot(const std::filesystem::path& file, const char* what) {
  return fail(ErrorKind::dependency_down, fmt::format("{} cannot be {}", file.string(), what),
              "make room on the disk and see to permissions");
}

Result<std::string> root_of(const std::string& line) {
  json::error_code bad;
  json::value value = json::parse(line, bad);
  if (bad) return fail(ErrorKind::corrupt, "the line is no JSON");
  std::string parent = shopify_text(shopify_member(value, {"__parentId"}));
  std::string id = parent.empty() ? shopify_text(shopify_member(value, {"id"})) : parent;
  if (id.empty()) return fail(ErrorKind::corrupt, "the line has neither an id nor a parent");
  return id;
}

class Parts {
 public:
  Parts(const std::filesystem::path& directory, uint64_t count) {
    for (uint64_t index = 0; index < count; ++index)
      files_.push_back(directory / fmt::format("part{}.jsonl", index));
  }
  ~Parts() {
    std::error_code ignored;
    for (const auto& file : files_) std::filesystem::remove(file, ignored);
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  Status cut(std::ifstream& lines, const BulkReceiver& receiver) {
    std::vector<std::ofstream> outs;
    for (const auto& file : files_) outs.emplace_back(file, std::ios::binary | std::ios::trunc);
    std::string line;
    while (std::getline(lines, line)) {
      if (line.empty()) continue;
      if (line.size() > limits::shopify_line_bytes_max) {
        TRY_VOID(receiver.refused("the line is larger than any object", line));
        continue;
      }
      auto root = root_of(line);
      if (!root) {
        TRY_VOID(receiver.refused(root.error().message, line));
        continue;
      }
      outs[std::hash<std::string>()(*root) % outs.size()] << line << '\n';
    }
    for (size_t index = 0; index < outs.size(); ++index)
      if (!outs[index].flush()) return cannot(files_[index], "written");
    return {};
  }
  const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  std::vector<std::filesystem::path> files_;
};

Status read_part(const std::filesystem::path& file, const BulkReceiver& receiver) {
  std::ifstream lines(file, std::ios::binary);
  if (!lines) return cannot(file, "read");
  std::vector<json::object> objects;
  std::unordered_map<std::string, size_t> places;
  std::vector<std::pair<std::string, json::object>> children;
  std::string line;
  while (std::getline(lines, line)) {
    json::object object = json::parse(line).as_object();
    std::string parent = shopify_text(shopify_member(object, {"__parentId"}));
    if (!parent.empty()) {
      children.emplace_back(std::move(parent), std::move(object));
      continue;
    }
    places[shopify_text(shopify_member(object, {"id"}))] = objects.size();
    objects.push_back(std::move(object));
  }
  for (auto& [parent, child] : children) {
    auto found = places.find(parent);
    const char* list = list_of(shopify_text(shopify_member(child, {"__typename"})));
    if (found == places.end() || list == nullptr) {
      TRY_VOID(receiver.refused(list == nullptr ? "the line is of a type that was not asked for"
                                                : "the line's parent is not in the file",
                                json::serialize(child)));
      continue;
    }
    json::value& nodes = objects[found->second][list];
    if (!nodes.is_object()) nodes = json::object{{"nodes", json::array{}}};
    nodes.as_object()["nodes"].as_array().push_back(std::move(child));
  }
  for (auto& object : objects) TRY_VOID(receiver.object(std::move(object)));
  return {};
}

}  // namespace

Status read_bulk_file(const std::filesystem::path& file, const std::filesystem::path& scratch,
                      const BulkReceiver& receiver) {
  std::error_code failed;
  uint64_t bytes = std::filesystem::file_size(file, failed);
  std::ifstream lines(file, std::ios::binary);
  if (failed || !lines) return cannot(file, "read");
  Parts parts(scratch, std::clamp<uint64_t>(bytes / limits::shopify_bulk_part_bytes + 1, 1,
                                            limits::shopify_bulk_parts_max));
  TRY_VOID(parts.cut(lines, receiver));
  for (const auto& part : parts.files()) TRY_VOID(read_part(part, receiver));
  return {};
}

}  // namespace tidemark::ingest
