// Credits add up, and the models are what their definitions say.
#include "experiments/stats_attribution.h"

#include "experiments/test_random.h"

#include <gtest/gtest.h>
#include <numeric>

namespace tidemark::experiments {
namespace {

constexpr int rounds = 300;

Path random_path(Random& random) {
  Path path(1 + static_cast<size_t>(random.uniform() * 8));
  for (Touch& touch : path) {
    touch.channel = std::string(1, static_cast<char>('A' + static_cast<int>(random.uniform() * 4)));
    if (random.chance(0.2)) touch.channel = "Direct";
    touch.days_before = random.exponential(20);
  }
  std::sort(path.begin(), path.end(),
            [](const auto& left, const auto& right) { return left.days_before > right.days_before; });
  return path;
}

double total(const ByChannel& credits) {
  return std::accumulate(credits.begin(), credits.end(), 0.0,
                         [](double sum, const auto& entry) { return sum + entry.second; });
}

TEST(StatsAttribution, CreditsSumToTheConversion) {
  Random random;
  for (int round = 0; round < rounds; ++round) {
    Path path = random_path(random);
    for (const Shares& shares : {first_touch(path), last_touch(path), last_non_direct_touch(path),
                                 linear(path), time_decay(path, 7), position_based(path, {})}) {
      EXPECT_NEAR(total(by_channel(path, shares, 100)), 100, 1e-9);
      // A refund takes from the same touches.
      ByChannel sold = by_channel(path, shares, 100);
      for (const auto& [channel, credit] : by_channel(path, shares, -100))
        EXPECT_NEAR(sold[channel] + credit, 0, 1e-12);
    }
  }
  Path two{{"A", 3}, {"B", 1}};
  EXPECT_EQ(position_based(two, {}), (Shares{0.5, 0.5}));
  EXPECT_EQ(last_non_direct_touch({{"Direct", 2}, {"Direct", 1}}), (Shares{0, 1}));
  EXPECT_TRUE(linear({}).empty());
  EXPECT_TRUE(time_decay({}, 7).empty());
  Path old{{"A", 1e6 + 7}, {"B", 1e6}};
  EXPECT_NEAR(time_decay(old, 7)[0], 1.0 / 3, 1e-9);
}

// The definition, over every order of the channels.
ByChannel shapley_by_orders(const std::vector<ChannelPath>& paths, std::vector<std::string> channels) {
  auto worth = [&](const std::vector<std::string>& coalition) {
    double sum = 0;
    for (const auto& path : paths) {
      bool inside = path.converted && !path.channels.empty();
      for (const auto& channel : path.channels)
        inside = inside && std::find(coalition.begin(), coalition.end(), channel) != coalition.end();
      sum += inside ? path.weight : 0;
    }
    return sum;
  };
  ByChannel credits;
  double orders = 0;
  std::sort(channels.begin(), channels.end());
  do {
    std::vector<std::string> coalition;
    double before = 0;
    for (const auto& channel : channels) {
      coalition.push_back(channel);
      double now = worth(coalition);
      credits[channel] += now - before;
      before = now;
    }
    ++orders;
  } while (std::next_permutation(channels.begin(), channels.end()));
  for (auto& [channel, credit] : credits) credit /= orders;
  return credits;
}

TEST(StatsAttribution, ModelsGiveAwayEveryConversionAndShapleyIsItsDefinition) {
  Random random;
  for (int round = 0; round < 100; ++round) {
    std::vector<ChannelPath> paths;
    double conversions = 0;
    for (int i = 0; i < 30; ++i) {
      ChannelPath path;
      for (const Touch& touch : random_path(random)) path.channels.push_back(touch.channel);
      path.converted = random.chance(0.3);
      path.weight = 1 + std::floor(random.uniform() * 3);
      conversions += path.converted ? path.weight : 0;
      paths.push_back(path);
    }
    ByChannel shapley = shapley_credits(paths);
    EXPECT_NEAR(total(shapley), conversions, 1e-9);
    std::vector<std::string> channels;
    for (const auto& [channel, credit] : shapley) channels.push_back(channel);
    for (const auto& [channel, credit] : shapley_by_orders(paths, channels))
      EXPECT_NEAR(shapley[channel], credit, 1e-9);
    auto markov = markov_credits(paths);
    ASSERT_TRUE(markov);
    EXPECT_NEAR(total(markov->credited_conversions), conversions, 1e-9);
    double weight = 0;
    for (const auto& path : paths) weight += path.weight;
    EXPECT_NEAR(markov->conversion_probability, conversions / weight, 1e-9);
  }
  std::vector<ChannelPath> many;
  for (size_t i = 0; i <= markov_channels_max; ++i) many.push_back({{std::to_string(i)}, true, 1});
  EXPECT_FALSE(markov_credits(many));
}

}  // namespace
}  // namespace tidemark::experiments
