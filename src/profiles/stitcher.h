// Who is who: ids that were seen together are one person's, within limits. A pure function.
//
// An edge is a set of ids that came together, in an event or in a row of a mirrored table. Edges are taken in
// canonical order, rows of tables first, then events by (event time, message id); arrival plays no part, so
// late events, replays and any order of merging give the same map. For each edge, its ids strongest first:
//
//   1. join the components of all its ids, unless the result would hold more ids of some kind than its limit,
//      or ids of both sides of a decision that keeps them apart;
//   2. else leave out the weakest id of the edge and try again.
//
//   user:1 device:d     {user:1 device:d}
//   user:2 device:d     two users would be one: without device:d, {user:2}
//
// The same set of ids twice says nothing new the second time: components only grow, so what was refused stays
// refused. That is why an edge is kept once, with its first time.
//
// A profile is called by a hash of the id of its component that comes first in canonical order. Splitting a
// profile by a decision therefore gives both sides the names they would have had without ever being joined.
//
// Hubs are ids with more than limits::hub_edges_max edges. They join nobody and are profiles of their own:
// also a function of the set of edges alone. What an id's profile is depends only on the edges that can be
// reached from it without passing through hubs, so a subset that is closed in this way gives the same answer
// as the whole.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::profiles {

struct Edge {
  std::vector<std::string> ids;  // "kind:value", strongest first, distinct
  int64_t at = 0;                // microseconds; row_edge_at for rows of tables
  std::string order;             // message id, or table and key: decides among edges of one instant
};
constexpr int64_t row_edge_at = INT64_MIN;

// No profile may hold ids of both sides.
struct Decision {
  std::set<std::string> one, other;
};

struct StitchRules {
  std::vector<std::pair<std::string, uint32_t>> limits;  // kind -> ids of it in one profile
  std::vector<Decision> apart;
};

struct Placement {
  std::string id, profile;
  int64_t seen = 0;  // when the id came first; 0 of rows of tables and of hubs

  auto operator<=>(const Placement&) const = default;
};

// By id. `edges` in any order.
std::vector<Placement> stitch(const StitchRules& rules, std::vector<Edge> edges,
                              const std::set<std::string>& hubs);

// The hubs among all edges there are.
std::set<std::string> hubs_of(const std::vector<Edge>& edges);

// 32 hexadecimal digits.
std::string profile_id(std::string_view first_id);

}  // namespace tidemark::profiles
