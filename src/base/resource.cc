#include "base/resource.h"

#include <algorithm>
#include <map>

namespace tidemark {
namespace {

// A function-local static: registrars of other objects may run before this file's statics would.
std::map<std::string_view, std::string_view>& registry() {
  static std::map<std::string_view, std::string_view> instance;
  return instance;
}

}  // namespace

std::optional<std::string_view> resource(std::string_view name) {
  auto found = registry().find(name);
  if (found == registry().end()) return std::nullopt;
  return found->second;
}

std::vector<std::string_view> resources(std::string_view prefix) {
  std::vector<std::string_view> names;
  for (auto entry = registry().lower_bound(prefix);
       entry != registry().end() && entry->first.starts_with(prefix); ++entry)
    names.push_back(entry->first);
  return names;
}

bool register_resources(const Resource* table, size_t count) {
  for (size_t i = 0; i < count; ++i)
    registry()[table[i].name] =
        std::string_view(table[i].begin, static_cast<size_t>(table[i].end - table[i].begin));
  return true;
}

}  // namespace tidemark
