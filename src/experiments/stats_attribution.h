// Attribution: which channels get the credit for a conversion. Rules look at one path; the two models below
// at all paths. Every rule's credits of a path sum to 1, so credits sum to the conversions (and, times the
// value, to the revenue), and a refund is taken from the same touches by the same shares.
//
//   first, last; last_non_direct: the last touch that is not Direct, unless all are
//   linear 1/n; time decay 2^(-days before / half life), normalised; position: first and last their share,
//   the rest equal parts of the middle's; one touch: all of it; two touches: first and last by their shares
//   (halves for 40/20/40) Markov, order 1: a chain start -> channels -> conversion or nothing with the paths'
//   transition frequencies; removal
//     effect of c = 1 - P(conversion when whatever enters c is lost) / P(conversion); credits in its
//     proportion
//   Shapley: value of a set of channels = conversions whose channels all lie in it. That game is a sum of
//   unanimity
//     games, so the Shapley value is exact for any number of channels: each conversion in equal parts to its
//     distinct channels
//
// Assumptions: none of these is causal. They say who was there, not who made the difference; an experiment
// says that.
//
// Sources: Anderl, Becker, von Wangenheim, Schumann 2016 (Markov); Shapley 1953.
#pragma once

#include "base/error.h"

#include <map>
#include <string>
#include <vector>

namespace tidemark::experiments {

struct Touch {
  std::string channel;
  double days_before = 0;  // the conversion; >= 0
};

// Touches in time order.
using Path = std::vector<Touch>;
// One number per touch; they sum to 1 (empty for an empty path).
using Shares = std::vector<double>;

struct PositionShares {
  double first = 0.4;
  double middle = 0.2;
  double last = 0.4;
};

Shares first_touch(const Path& path);
Shares last_touch(const Path& path);
Shares last_non_direct_touch(const Path& path, const std::string& direct = "Direct");
Shares linear(const Path& path);
Shares time_decay(const Path& path, double half_life_days);
Shares position_based(const Path& path, const PositionShares& shares);

using ByChannel = std::map<std::string, double>;
ByChannel by_channel(const Path& path, const Shares& shares, double conversion_value);

struct ChannelPath {
  std::vector<std::string> channels;
  bool converted = false;
  double weight = 1;  // how many such paths, or the value of this one
};

struct MarkovCredits {
  double conversion_probability = 0;
  ByChannel removal_effect;
  ByChannel share;
  ByChannel credited_conversions;
};

constexpr size_t markov_channels_max =
    200;  // one linear system of that size per channel: 200^4 / 3 operations
// Errors: limit, for more channels.
Result<MarkovCredits> markov_credits(const std::vector<ChannelPath>& paths);

ByChannel shapley_credits(const std::vector<ChannelPath>& paths);

}  // namespace tidemark::experiments
