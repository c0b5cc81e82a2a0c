// More keys touched by one cut than are recomputed at once: in slices, or, when it is most of the model, as a
// whole.
#include "base/limits.h"
#include "models/test_warehouse.h"

namespace tidemark::models {
namespace {

constexpr uint64_t all = 2 * limits::keyed_keys_a_slice + 100'000;

class KeyedSlicesTest : public ModelsTest {
 protected:
  // Rows of these shops, one a shop; `units` tells cuts apart. `deleted`: they go.
  void cut(uint64_t number, uint64_t from, uint64_t count, bool deleted = false) {
    std::string row = fmt::format("number, toInt32(number % 1000000), {}", number);
    std::string rows = fmt::format(" FROM numbers({}, {})", from, count);
    if (number > 1)
      run(fmt::format(
          "INSERT INTO bronze.orders__changes (id, shop, units, _sign, _op, _version, _cut) SELECT id, shop, "
          "units, -1, 'u', {0}, {0} FROM bronze.orders FINAL WHERE id >= {1} AND id < {1} + {2}",
          number, from, count));
    if (!deleted)
      run(fmt::format(
          "INSERT INTO bronze.orders__changes (id, shop, units, _sign, _op, _version, _cut) SELECT {0}, 1, "
          "'u', {1}, {1}{2}",
          row, number, rows));
    run(fmt::format(
        "INSERT INTO bronze.orders (id, shop, units, _version, _deleted, _cut) SELECT {}, {}, {:d}, {}{}",
        row, number, deleted, number, rows));
  }

  uint64_t parts_written() {
    return std::stoull(text("SELECT sum(value) FROM system.events WHERE event = 'InsertQuery'"));
  }
};

TEST_F(KeyedSlicesTest, ManyKeysAreDoneInSlicesAndMostOfThemAsAWhole) {
  CompiledModels models =
      good({model_file("analytics.best", "keyed",
                       "SELECT shop, max(units) AS highest, count() AS orders FROM bronze.orders "
                       "GROUP BY shop",
                       {"shop"})});
  cut(1, 0, all);
  apply(models);
  Runtime runtime(models);
  uint64_t number = 1;
  auto follow = [&](uint64_t from, uint64_t count, bool deleted = false) {
    cut(++number, from, count, deleted);
    uint64_t before = parts_written();
    auto done = runtime.after_cut(client_, number, make_version(1, number, 0), {"orders"});
    EXPECT_TRUE(done) << done.error().describe();
    auto parity = verify_model(client_, models.models[0]);
    EXPECT_TRUE(parity);
    EXPECT_EQ(parity->different, 0u);
    return parts_written() - before;
  };
  uint64_t slice = limits::keyed_keys_a_slice;
  uint64_t one = follow(0, slice / 2);
  EXPECT_EQ(follow(1'000, slice + 1), one + 1) << "two slices";
  EXPECT_EQ(follow(500, slice + 7, true), one + 1) << "shops that are gone";
  EXPECT_EQ(text("SELECT count() FROM analytics.best"), fmt::format("{}\n", all - slice - 7));
  follow(0, all - 10);
  EXPECT_EQ(text("SELECT count(), uniqExact(highest) FROM analytics.best"), fmt::format("{}\t2\n", all));
  // Again: a replayed cut.
  auto done = runtime.after_cut(client_, number, make_version(1, number, 0), {"orders"});
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(verify_model(client_, models.models[0])->different, 0u);
}

}  // namespace
}  // namespace tidemark::models
