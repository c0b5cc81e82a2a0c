#include "experiments/stats_attribution.h"

#include <cmath>
#include <fmt/format.h>
#include <set>

namespace tidemark::experiments {
namespace {

Shares all_to(const Path& path, size_t place) {
  Shares shares(path.size(), 0.0);
  if (!path.empty()) shares[place] = 1;
  return shares;
}

// The chain of order 1. States: channels by number; start, conversion and loss are apart.
struct Chain {
  std::vector<std::string> channels;
  std::vector<double> from_start;
  std::vector<std::vector<double>> between;
  std::vector<double> to_conversion;
};

Chain chain_of(const std::vector<ChannelPath>& paths) {
  std::map<std::string, size_t> numbers;
  for (const auto& path : paths)
    for (const auto& channel : path.channels) numbers.emplace(channel, 0);
  Chain chain;
  for (auto& [channel, number] : numbers) {
    number = chain.channels.size();
    chain.channels.push_back(channel);
  }
  size_t size = chain.channels.size();
  chain.from_start.assign(size, 0);
  chain.to_conversion.assign(size, 0);
  chain.between.assign(size, std::vector<double>(size, 0));
  std::vector<double> leaving(size, 0);
  double starts = 0;
  for (const auto& path : paths) {
    starts += path.weight;
    for (size_t i = 0; i < path.channels.size(); ++i) {
      size_t here = numbers.at(path.channels[i]);
      leaving[here] += path.weight;
      if (i == 0) chain.from_start[here] += path.weight;
      if (i + 1 < path.channels.size())
        chain.between[here][numbers.at(path.channels[i + 1])] += path.weight;
      else if (path.converted)
        chain.to_conversion[here] += path.weight;
    }
  }
  for (size_t i = 0; i < size; ++i) {
    if (starts > 0) chain.from_start[i] /= starts;
    if (leaving[i] <= 0) continue;
    chain.to_conversion[i] /= leaving[i];
    for (double& chance : chain.between[i]) chance /= leaving[i];
  }
  return chain;
}

// Solves (I - between) x = to_conversion by elimination with pivots, the removed channel's row and column
// left out.
double conversion_probability(const Chain& chain, size_t removed) {
  size_t size = chain.channels.size();
  std::vector<std::vector<double>> rows;
  for (size_t i = 0; i < size; ++i) {
    std::vector<double> row(size + 1, 0);
    for (size_t j = 0; j < size; ++j)
      row[j] = (i == j ? 1 : 0) - (i == removed || j == removed ? 0 : chain.between[i][j]);
    row[size] = i == removed ? 0 : chain.to_conversion[i];
    rows.push_back(std::move(row));
  }
  for (size_t column = 0; column < size; ++column) {
    size_t pivot = column;
    for (size_t i = column + 1; i < size; ++i)
      if (std::abs(rows[i][column]) > std::abs(rows[pivot][column])) pivot = i;
    std::swap(rows[column], rows[pivot]);
    if (rows[column][column] == 0) continue;  // a channel that is never left: it converts nobody
    for (size_t i = 0; i < size; ++i) {
      if (i == column || rows[i][column] == 0) continue;
      double factor = rows[i][column] / rows[column][column];
      for (size_t j = column; j <= size; ++j) rows[i][j] -= factor * rows[column][j];
    }
  }
  double total = 0;
  for (size_t i = 0; i < size; ++i)
    if (i != removed && rows[i][i] != 0) total += chain.from_start[i] * rows[i][size] / rows[i][i];
  return total;
}

}  // namespace

Shares first_touch(const Path& path) {
  return all_to(path, 0);
}

Shares last_touch(const Path& path) {
  return all_to(path, path.empty() ? 0 : path.size() - 1);
}

Shares last_non_direct_touch(const Path& path, const std::string& direct) {
  for (size_t i = path.size(); i > 0; --i)
    if (path[i - 1].channel != direct) return all_to(path, i - 1);
  return last_touch(path);
}

Shares linear(const Path& path) {
  return Shares(path.size(), path.empty() ? 0 : 1 / static_cast<double>(path.size()));
}

Shares time_decay(const Path& path, double half_life_days) {
  Shares shares;
  double nearest = path.empty() ? 0 : path.back().days_before;
  for (const Touch& touch : path) nearest = std::min(nearest, touch.days_before);
  double total = 0;
  // Against the nearest touch, so that a path of long ago does not vanish as a whole.
  for (const Touch& touch : path)
    total += shares.emplace_back(std::exp2((nearest - touch.days_before) / half_life_days));
  for (double& share : shares) share /= total;
  return shares;
}

Shares position_based(const Path& path, const PositionShares& shares) {
  if (path.size() < 2) return first_touch(path);
  Shares result(path.size());
  double ends = shares.first + shares.last;
  double whole = path.size() == 2 ? ends : ends + shares.middle;
  for (size_t i = 1; i + 1 < path.size(); ++i)
    result[i] = shares.middle / static_cast<double>(path.size() - 2) / whole;
  result.front() = shares.first / whole;
  result.back() = shares.last / whole;
  return result;
}

ByChannel by_channel(const Path& path, const Shares& shares, double conversion_value) {
  ByChannel credits;
  for (size_t i = 0; i < path.size(); ++i)
    if (shares[i] != 0) credits[path[i].channel] += shares[i] * conversion_value;
  return credits;
}

Result<MarkovCredits> markov_credits(const std::vector<ChannelPath>& paths) {
  Chain chain = chain_of(paths);
  if (chain.channels.size() > markov_channels_max)
    return fail(ErrorKind::limit,
                fmt::format("{} channels, the Markov model takes at most {}", chain.channels.size(),
                            markov_channels_max),
                "Group rare channels into one.");
  double conversions = 0;
  for (const auto& path : paths)
    if (path.converted && !path.channels.empty()) conversions += path.weight;
  MarkovCredits credits;
  credits.conversion_probability = conversion_probability(chain, chain.channels.size());
  double total = 0;
  for (size_t i = 0; i < chain.channels.size(); ++i) {
    double effect = credits.conversion_probability <= 0
                        ? 0
                        : 1 - conversion_probability(chain, i) / credits.conversion_probability;
    credits.removal_effect[chain.channels[i]] = effect;
    total += effect;
  }
  for (const auto& [channel, effect] : credits.removal_effect) {
    credits.share[channel] = total > 0 ? effect / total : 0;
    credits.credited_conversions[channel] = credits.share[channel] * conversions;
  }
  return credits;
}

ByChannel shapley_credits(const std::vector<ChannelPath>& paths) {
  ByChannel credits;
  for (const auto& path : paths) {
    std::set<std::string> channels(path.channels.begin(), path.channels.end());
    for (const auto& channel : channels)
      credits[channel] += path.converted ? path.weight / static_cast<double>(channels.size()) : 0;
  }
  return credits;
}

}  // namespace tidemark::experiments
