// The pure half of profiles: what joins, what does not, and that nothing but the set of edges matters.
#include "profiles/stitcher.h"

#include "profiles/profile_limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace tidemark::profiles {
namespace {

StitchRules rules(std::vector<Decision> apart = {}) {
  return {.limits = {{"user", 1}, {"email", 2}, {"anon", 3}, {"device", 5}}, .apart = std::move(apart)};
}

// "user:1 anon:a" at the given instants.
Edge edge(int64_t at, const std::string& ids) {
  Edge made{.ids = {}, .at = at, .order = fmt::format("m{}", at)};
  for (size_t from = 0; from < ids.size();) {
    size_t to = std::min(ids.find(' ', from), ids.size());
    made.ids.push_back(ids.substr(from, to - from));
    from = to + 1;
  }
  return made;
}

// Groups of ids, each as "a b c", and the profile each is.
std::map<std::string, std::string> groups(const std::vector<Placement>& placements) {
  std::map<std::string, std::string> members, named;
  for (const auto& placement : placements) {
    auto& list = members[placement.profile];
    list += (list.empty() ? "" : " ") + placement.id;
  }
  for (const auto& [profile, list] : members) named[list] = profile;
  return named;
}

using testing::ElementsAre;
using testing::Pair;

TEST(Stitcher, ChainsJoinAndTheFirstIdNamesThem) {
  auto found = groups(stitch(
      rules(),
      {edge(3, "user:1 anon:b"), edge(1, "anon:a"), edge(2, "anon:a device:d"), edge(4, "anon:b device:d")},
      {}));
  EXPECT_THAT(found, ElementsAre(Pair("anon:a anon:b device:d user:1", profile_id("anon:a"))));
}

TEST(Stitcher, ASharedDeviceDoesNotJoinTwoUsers) {
  auto found = groups(stitch(rules(),
                             {edge(1, "user:1 anon:a device:d"), edge(2, "user:2 anon:a device:d"),
                              edge(3, "user:2 anon:b device:d"), edge(4, "user:1 anon:a device:d")},
                             {}));
  EXPECT_THAT(found, ElementsAre(Pair("anon:a device:d user:1", profile_id("user:1")),
                                 Pair("anon:b user:2", profile_id("user:2"))));
}

TEST(Stitcher, TheWeakestIdIsLeftOutFirst) {
  // Two emails are the limit; the third would be too many, the device behind it goes first and does not help.
  auto found = groups(
      stitch(rules(),
             {edge(1, "user:1 email:a"), edge(2, "user:1 email:b"), edge(3, "user:1 email:c device:d")}, {}));
  EXPECT_THAT(found, ElementsAre(Pair("device:d", profile_id("device:d")),
                                 Pair("email:a email:b user:1", profile_id("user:1")),
                                 Pair("email:c", profile_id("email:c"))));
}

TEST(Stitcher, RowsOfTablesComeFirst) {
  Edge row = edge(0, "user:7 email:x");
  row.at = row_edge_at;
  auto found = stitch(rules(), {edge(-5, "anon:a"), edge(5, "user:7 anon:a"), row}, {});
  ASSERT_EQ(found.size(), 3u);
  for (const auto& placement : found) EXPECT_EQ(placement.profile, profile_id("user:7"));
  EXPECT_EQ(found[2].seen, 0);
  EXPECT_EQ(found[0].seen, -5);
}

TEST(Stitcher, ADecisionRestoresBothSidesAsIfNeverMerged) {
  std::vector<Edge> ann{edge(1, "anon:a"), edge(4, "email:ann anon:a")};
  std::vector<Edge> bob{edge(2, "user:bob"), edge(5, "user:bob device:d")};
  Edge mistake = edge(3, "user:bob email:ann");
  std::vector<Edge> all = ann;
  all.insert(all.end(), bob.begin(), bob.end());
  auto apart = groups(stitch(rules(), all, {}));
  all.push_back(mistake);
  EXPECT_EQ(groups(stitch(rules(), all, {})).size(), 1u);
  Decision decision{.one = {"anon:a", "email:ann"}, .other = {"user:bob", "device:d"}};
  EXPECT_EQ(groups(stitch(rules({decision}), all, {})), apart);
}

TEST(Stitcher, HubsJoinNobody) {
  std::vector<Edge> edges{edge(0, "user:x device:hub")};
  for (size_t number = 0; number <= limits::hub_edges_max; ++number)
    edges.push_back(edge(static_cast<int64_t>(number) + 1, fmt::format("anon:{} device:hub", number)));
  EXPECT_THAT(hubs_of({edges.begin(), edges.begin() + limits::hub_edges_max}), ElementsAre());
  auto hubs = hubs_of(edges);
  EXPECT_THAT(hubs, ElementsAre("device:hub"));
  for (const auto& placement : stitch(rules(), edges, hubs))
    EXPECT_EQ(placement.profile, profile_id(placement.id));
}

// Random edges with limits and decisions: in any order of arrival, with repetitions, the same map; and the
// edges reached from an id give the same answer as all of them.
TEST(Stitcher, NothingButTheSetOfEdgesMatters) {
  const char* given = std::getenv("TIDEMARK_SEED");
  uint64_t seed = given != nullptr               ? std::strtoull(given, nullptr, 10)
                  : std::getenv("CI") != nullptr ? 1
                                                 : std::random_device{}();
  fmt::print("TIDEMARK_SEED={}\n", seed);
  for (uint64_t run = seed; run < seed + 400; ++run) {
    std::mt19937_64 random(run);
    auto below = [&](uint64_t bound) { return random() % bound; };
    std::vector<Edge> edges;
    const char* kinds[] = {"user", "email", "anon", "device"};
    for (uint64_t number = 2 + below(40); number > 0; --number) {
      Edge made{.ids = {}, .at = static_cast<int64_t>(below(20)), .order = fmt::format("m{}", number)};
      for (const char* kind : kinds)
        if (below(2) == 0) made.ids.push_back(fmt::format("{}:{}", kind, below(6)));
      if (!made.ids.empty()) edges.push_back(std::move(made));
    }
    std::set<std::string> hubs;
    if (below(3) == 0) hubs.insert(fmt::format("device:{}", below(6)));
    std::vector<Decision> apart;
    for (uint64_t number = below(3); number > 0; --number)
      apart.push_back({{fmt::format("user:{}", below(6)), fmt::format("anon:{}", below(6))},
                       {fmt::format("email:{}", below(6)), fmt::format("device:{}", below(6))}});
    auto whole = stitch(rules(apart), edges, hubs);

    auto shuffled = edges;
    for (Edge repeated : edges)
      if (below(3) == 0) {
        repeated.at += static_cast<int64_t>(1 + below(30));
        shuffled.push_back(std::move(repeated));
      }
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    ASSERT_EQ(stitch(rules(apart), shuffled, hubs), whole) << "seed " << run;

    std::map<std::string, Placement> by_id;
    for (const auto& placement : whole) by_id[placement.id] = placement;
    for (const auto& start : whole) {
      if (hubs.contains(start.id)) continue;
      std::set<std::string> reached{start.id};
      std::vector<Edge> subset;
      for (size_t before = 0; before != reached.size();) {
        before = reached.size();
        subset.clear();
        for (const Edge& one : edges) {
          bool touches = std::any_of(one.ids.begin(), one.ids.end(), [&](const auto& id) {
            return reached.contains(id) && !hubs.contains(id);
          });
          if (!touches) continue;
          subset.push_back(one);
          reached.insert(one.ids.begin(), one.ids.end());
        }
      }
      for (const auto& placement : stitch(rules(apart), subset, hubs))
        ASSERT_EQ(placement, by_id.at(placement.id)) << "seed " << run;
    }
    // Limits hold.
    std::map<std::pair<std::string, std::string>, uint32_t> counts;
    for (const auto& placement : whole)
      ++counts[{placement.profile, placement.id.substr(0, placement.id.find(':'))}];
    for (const auto& [key, count] : counts)
      for (const auto& [kind, limit] : rules().limits)
        if (kind == key.second) {
          ASSERT_LE(count, limit) << "seed " << run;
        }
    // So do decisions.
    for (const auto& decision : apart)
      for (const auto& one : decision.one)
        for (const auto& other : decision.other)
          if (by_id.contains(one) && by_id.contains(other)) {
            ASSERT_NE(by_id[one].profile, by_id[other].profile) << "seed " << run;
          }
  }
}

}  // namespace
}  // namespace tidemark::profiles
