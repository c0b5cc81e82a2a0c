#include "profiles/stitcher.h"

#include "profiles/profile_limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <openssl/sha.h>
#include <unordered_map>

namespace tidemark::profiles {
namespace {

// Union-find over ids by number, in the order in which they came, with what limits ask of a component.
class Components {
 public:
  explicit Components(const StitchRules& rules) : rules_(rules), counts_(rules.limits.size()) {}

  size_t number(const std::string& id, int64_t seen) {
    auto [found, fresh] = numbers_.emplace(id, parent_.size());
    if (!fresh) return found->second;
    parent_.push_back(parent_.size());
    ids_.push_back(&found->first);
    seen_.push_back(seen);
    std::string_view kind = std::string_view(id).substr(0, id.find(':'));
    for (size_t index = 0; index < counts_.size(); ++index)
      counts_[index].push_back(rules_.limits[index].first == kind ? 1 : 0);
    std::vector<std::pair<size_t, bool>> sides;
    for (size_t index = 0; index < rules_.apart.size(); ++index) {
      if (rules_.apart[index].one.contains(id)) sides.emplace_back(index, false);
      if (rules_.apart[index].other.contains(id)) sides.emplace_back(index, true);
    }
    sides_.push_back(std::move(sides));
    return found->second;
  }

  size_t root(size_t number) {
    while (parent_[number] != number) number = parent_[number] = parent_[parent_[number]];
    return number;
  }

  // Whether `numbers` may be one component; then they are.
  bool join(std::vector<size_t> numbers) {
    for (size_t& number : numbers) number = root(number);
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    if (numbers.size() < 2) return true;
    for (size_t index = 0; index < counts_.size(); ++index) {
      uint64_t together = 0;
      for (size_t number : numbers) together += counts_[index][number];
      if (together > rules_.limits[index].second) return false;
    }
    std::set<std::pair<size_t, bool>> sides;
    for (size_t number : numbers) sides.insert(sides_[number].begin(), sides_[number].end());
    for (const auto& [decision, other] : sides)
      if (other && sides.contains({decision, false})) return false;
    // The smallest number is the root: it came first, and names the profile.
    size_t first = numbers.front();
    for (size_t position = 1; position < numbers.size(); ++position) {
      parent_[numbers[position]] = first;
      for (auto& counts : counts_) counts[first] += counts[numbers[position]];
    }
    sides_[first].assign(sides.begin(), sides.end());
    return true;
  }

  std::vector<Placement> placements() {
    std::vector<Placement> all;
    std::unordered_map<size_t, std::string> names;
    for (size_t number = 0; number < ids_.size(); ++number) {
      size_t first = root(number);
      std::string& name = names[first];
      if (name.empty()) name = profile_id(*ids_[first]);
      all.push_back({*ids_[number], name, seen_[number]});
    }
    return all;
  }

 private:
  const StitchRules& rules_;
  std::unordered_map<std::string, size_t> numbers_;
  std::vector<const std::string*> ids_;
  std::vector<size_t> parent_;
  std::vector<int64_t> seen_;
  std::vector<std::vector<uint32_t>> counts_;  // by kind, then by root
  std::vector<std::vector<std::pair<size_t, bool>>> sides_;
};

}  // namespace

std::string profile_id(std::string_view first_id) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(first_id.data()), first_id.size(), digest);
  std::string text;
  for (size_t index = 0; index < 16; ++index) text += fmt::format("{:02x}", digest[index]);
  return text;
}

std::set<std::string> hubs_of(const std::vector<Edge>& edges) {
  std::unordered_map<std::string_view, size_t> degrees;
  for (const Edge& edge : edges)
    for (const auto& id : edge.ids) ++degrees[id];
  std::set<std::string> hubs;
  for (const auto& [id, degree] : degrees)
    if (degree > limits::hub_edges_max) hubs.emplace(id);
  return hubs;
}

std::vector<Placement> stitch(const StitchRules& rules, std::vector<Edge> edges,
                              const std::set<std::string>& hubs) {
  std::sort(edges.begin(), edges.end(), [](const Edge& left, const Edge& right) {
    return std::tie(left.at, left.order, left.ids) < std::tie(right.at, right.order, right.ids);
  });
  Components components(rules);
  std::set<std::string> alone;
  for (const Edge& edge : edges) {
    std::vector<size_t> numbers;
    for (const auto& id : edge.ids) {
      if (hubs.contains(id))
        alone.insert(id);
      else
        numbers.push_back(components.number(id, edge.at == row_edge_at ? 0 : edge.at));
    }
    while (numbers.size() > 1 && !components.join(numbers)) numbers.pop_back();
  }
  std::vector<Placement> all = components.placements();
  for (const auto& id : alone) all.push_back({id, profile_id(id), 0});
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace tidemark::profiles
