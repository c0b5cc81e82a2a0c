// Every order of operations in one part, and random histories against a model of bronze.
#include "ingest/change_rows.h"

#include "ingest/test_parts.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace tidemark::ingest {
namespace {

// What the warehouse would hold, and the sum of all change rows.
class Bronze {
 public:
  Result<ChangeRows> apply(Part& part) {
    auto changes = complete(part, reader());
    if (!changes) return changes;
    add(changes->rows);
    put(part);
    return changes;
  }
  ImageReader reader() {
    return [this](const CapturedTable& table, const Block& keys) -> Result<Block> {
      Block found;
      for (const auto& column : table.source.columns) found.add(column.name, column.target);
      for (size_t row = 0; row < keys.rows(); ++row) {
        ++keys_read;
        auto image = rows.find(keys.columns[0].get<int64_t>(row));
        if (image == rows.end()) continue;
        append_row(found, image->first, image->second);
      }
      return found;
    };
  }
  void put(const Part& part) {
    for (size_t row = 0; row < part.operations.size(); ++row) {
      int64_t key = part.rows.columns[0].get<int64_t>(row);
      if (part.operations[row] == Operation::remove)
        rows.erase(key);
      else
        rows[key] = values_of(part.rows, row);
    }
  }
  void add(const Block& changes) {
    for (size_t row = 0; row < changes.rows(); ++row) {
      auto key = std::make_pair(changes.columns[0].get<int64_t>(row), values_of(changes, row));
      if ((sums[key] += changes.find(bookkeeping::sign)->get<int8_t>(row)) == 0) sums.erase(key);
    }
  }
  // Every current row once, and nothing else.
  void expect_sums() const {
    std::map<std::pair<int64_t, Values>, int> wanted;
    for (const auto& [key, values] : rows) wanted[{key, values}] = 1;
    EXPECT_EQ(sums, wanted);
  }

  std::map<int64_t, Values> rows;
  std::map<std::pair<int64_t, Values>, int> sums;
  size_t keys_read = 0;
};

class ChangeRowsTest : public testing::Test {
 protected:
  void given(int64_t key, const Values& values) {
    bronze.rows[key] = values;
    bronze.sums[{key, values}] = 1;
  }
  ChangeRows apply(const std::vector<Change>& changes) {
    Part part = make_part(table, changes);
    auto completed = bronze.apply(part);
    EXPECT_TRUE(completed) << completed.error().describe();
    bronze.expect_sums();
    return std::move(*completed);
  }
  CapturedTable table = test_table(true);
  Bronze bronze;
};

TEST_F(ChangeRowsTest, InsertUpdateDeleteOfOneKeyInOnePart) {
  auto changes = apply({insert(1, {"a", 1}), update(1, {"b", 2}), remove(1)});
  EXPECT_EQ(changes.rows.rows(), 4u);
  EXPECT_EQ(changes.missing_old, 0u);
  EXPECT_TRUE(bronze.rows.empty());
  EXPECT_EQ(bronze.keys_read, 0u) << "a key that begins with an insert has no old image to read";
}

TEST_F(ChangeRowsTest, DeleteThenInsertAgain) {
  given(1, {"a", 1});
  apply({remove(1), insert(1, {"b", 2}), update(1, {"c", 3})});
  EXPECT_EQ(bronze.rows[1], (Values{"c", 3}));
}

TEST_F(ChangeRowsTest, OldSideStandsBelowNewSide) {
  given(1, {"a", 1});
  auto changes = apply({update(1, {"b", 2})});
  ASSERT_EQ(changes.rows.rows(), 2u);
  const Column& version = *changes.rows.find(bookkeeping::version);
  EXPECT_TRUE(version.get<Version>(0) + 1 == version.get<Version>(1));
  EXPECT_EQ(changes.rows.find(bookkeeping::operation)->text(0), "update");
}

TEST_F(ChangeRowsTest, KeyChangeAndSwapOfTwoKeys) {
  given(1, {"one", 1});
  given(2, {"two", 2});
  std::vector<Change> swap;
  for (auto [from, to, values] : {std::tuple{1, 3, Values{"one", 1}}, std::tuple{2, 1, Values{"two", 2}},
                                  std::tuple{3, 2, Values{"one", 1}}}) {
    swap.push_back(remove(from));
    swap.push_back(insert(to, values));
  }
  apply(swap);
  EXPECT_EQ(bronze.rows[1], (Values{"two", 2}));
  EXPECT_EQ(bronze.rows[2], (Values{"one", 1}));
}

TEST_F(ChangeRowsTest, UnchangedValueComesFromTheWarehouseOrAnEarlierRow) {
  given(1, {"large", 1});
  apply({update(1, {unchanged, 2}), update(1, {unchanged, 3})});
  EXPECT_EQ(bronze.rows[1], (Values{"large", 3}));
  apply({update(1, {"larger", 4}), update(1, {unchanged, 5})});
  EXPECT_EQ(bronze.rows[1], (Values{"larger", 5}));
}

TEST_F(ChangeRowsTest, UnchangedValueFollowsAKeyChange) {
  given(1, {"large", 1});
  apply({remove(1), insert(2, {unchanged, 1}), remove(2), insert(3, {unchanged, 7})});
  EXPECT_EQ(bronze.rows[3], (Values{"large", 7}));
}

TEST_F(ChangeRowsTest, OldRowsOfTheStreamAreUsedAndNotRead) {
  given(1, {"a", 1});
  auto change = update(1, {"b", 2});
  change.sent_old = Values{"a", 1};
  apply({change});
  EXPECT_EQ(bronze.keys_read, 0u);
}

TEST_F(ChangeRowsTest, OldRowsThatAreNotThereAreCounted) {
  auto changes = apply({update(1, {"a", 1}), remove(2)});
  EXPECT_EQ(changes.missing_old, 2u);
  EXPECT_EQ(changes.rows.rows(), 1u);
}

// The row it belongs to went to quarantine earlier: one row must not hold up the source for ever, and a large
// value must not become a default.
TEST_F(ChangeRowsTest, AnUnchangedValueNobodyHasIsRefusedAloneAndTheRestGoesOn) {
  given(2, {"x", 1});
  auto changes = apply(
      {update(1, {unchanged, 1}), update(2, {"y", 2}), update(1, {"whole", 3}), update(1, {unchanged, 4})});
  ASSERT_EQ(changes.refused.size(), 1u);
  EXPECT_EQ(changes.refused[0].column, 1u);
  EXPECT_EQ(changes.refused[0].key, "1");
  EXPECT_EQ(bronze.rows[1], (Values{"whole", 4}));
  EXPECT_EQ(bronze.rows[2], (Values{"y", 2}));
}

TEST_F(ChangeRowsTest, ATableWithoutChangeRowsIsReadOnlyForValuesLeftOut) {
  table = test_table(false);
  bronze.rows[1] = {"a", 1};
  bronze.rows[2] = {"large", 1};
  Part plain = make_part(table, {update(1, {"b", 2}), remove(1)});
  ASSERT_TRUE(bronze.apply(plain));
  EXPECT_EQ(bronze.keys_read, 0u);
  Part left_out = make_part(table, {update(1, {"b", 2}), update(2, {unchanged, 2})});
  ASSERT_TRUE(bronze.apply(left_out));
  EXPECT_EQ(bronze.keys_read, 1u);
  EXPECT_EQ(bronze.rows[2], (Values{"large", 2}));
}

TEST_F(ChangeRowsTest, ErrorsOfTheReaderArePassedOn) {
  Part part = make_part(table, {update(1, {"a", 1})});
  auto completed = complete(part, [](const CapturedTable&, const Block&) -> Result<Block> {
    return fail(ErrorKind::dependency_down, "away");
  });
  ASSERT_FALSE(completed);
  EXPECT_EQ(completed.error().kind, ErrorKind::dependency_down);
}

// Random histories, cut into random parts. The same part completed twice before its rows are in (a crash
// between change rows and bronze rows) says the same both times.
TEST(ChangeRowsProperty, SumOfChangesIsTheFinalState) {
  CapturedTable table = test_table(true);
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    auto below = [&](unsigned bound) { return static_cast<int64_t>(random() % bound); };
    std::map<int64_t, Values> truth;
    Bronze bronze;
    for (int parts = 0; parts < 6; ++parts) {
      std::vector<Change> changes;
      int64_t wanted = 1 + below(12);
      while (static_cast<int64_t>(changes.size()) < wanted) {
        int64_t key = below(5);
        auto found = truth.find(key);
        Values values{fmt::format("v{}", random()), below(100)};
        if (found == truth.end()) {
          changes.push_back(insert(key, values));
          truth[key] = values;
          continue;
        }
        Values before = found->second;
        bool keeps = below(2) == 0;
        Values sent = keeps ? Values{unchanged, values.number} : values;
        Values after = keeps ? Values{before.text, values.number} : values;
        bool full = below(3) == 0;
        int64_t other = below(5);
        if (below(4) == 0) {
          changes.push_back(remove(key));
          truth.erase(key);
        } else if (below(3) == 0 && !truth.contains(other)) {
          changes.push_back(remove(key));
          if (full) changes.back().sent_old = before;
          changes.push_back(insert(other, full ? after : sent));
          truth.erase(key);
          truth[other] = after;
        } else {
          changes.push_back(update(key, full ? after : sent));
          if (full) changes.back().sent_old = before;
          truth[key] = after;
        }
      }
      Part first = make_part(table, changes);
      Part again = make_part(table, changes);
      auto before = complete(first, bronze.reader());
      ASSERT_TRUE(before);
      ASSERT_EQ(before->missing_old, 0u);
      ASSERT_TRUE(before->refused.empty());
      auto replayed = bronze.apply(again);
      ASSERT_TRUE(replayed);
      ASSERT_EQ(text_of(before->rows), text_of(replayed->rows));
      ASSERT_EQ(bronze.rows, truth);
    }
    bronze.expect_sums();
  }
}

// Of a DEFERRABLE key under REPLICA IDENTITY FULL: rows walk over each other's keys until the transaction
// ends.
class SharedKeys {
 public:
  SharedKeys(unsigned seed, bool has_changes) : table(test_table(has_changes)), random_(seed) {
    table.source.key_deferrable = true;
  }
  void insert_row(int64_t key) {
    rows.push_back({key, Values{fmt::format("v{}", random_() % 1000), below(3)}});
    changes.push_back(insert(key, rows.back().second));
  }
  void move(size_t row, int64_t key) {
    auto& [old_key, values] = rows[row];
    changes.push_back(remove(old_key));
    changes.back().sent_old = values;
    old_key = key;
    changes.push_back(insert(key, values));
  }
  void change(size_t row) {
    auto& [key, values] = rows[row];
    Values before = values;
    values.number = below(3);
    changes.push_back(update(key, values));
    changes.back().sent_old = before;
  }
  void erase(size_t row) {
    changes.push_back(remove(rows[row].first));
    changes.back().sent_old = rows[row].second;
    rows.erase(rows.begin() + static_cast<ptrdiff_t>(row));
  }
  // As Postgres checks it at the end, with at most two rows to a key before.
  void step() {
    size_t row = rows.empty() ? 0 : static_cast<size_t>(below(static_cast<int64_t>(rows.size())));
    int64_t key = below(6);
    switch (below(6)) {
      case 0:
        if (of(key) < 2) insert_row(key);
        return;
      case 1:
        if (!rows.empty()) erase(row);
        return;
      case 2:
        if (!rows.empty()) change(row);
        return;
      default:
        if (!rows.empty() && rows[row].first != key && of(key) < 2) move(row, key);
    }
  }
  void commit() {
    for (size_t row = 0; row < rows.size(); ++row)
      while (of(rows[row].first) > 1) {
        int64_t free = 0;
        while (of(free) > 0) ++free;
        move(row, free);
      }
  }
  std::map<int64_t, Values> truth() const { return {rows.begin(), rows.end()}; }
  int64_t below(int64_t bound) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(bound)); }

  CapturedTable table;
  std::vector<std::pair<int64_t, Values>> rows;
  std::vector<Change> changes;

 private:
  size_t of(int64_t key) const {
    return static_cast<size_t>(
        std::count_if(rows.begin(), rows.end(), [&](const auto& row) { return row.first == key; }));
  }
  std::mt19937 random_;
};

TEST(ChangeRowsProperty, TwoRowsOfOneDeferrableKeyAreToldApart) {
  for (unsigned seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    SharedKeys shared(seed, seed % 2 == 0);
    Bronze bronze;
    for (uint64_t transaction = 1; transaction <= 6; ++transaction) {
      for (int64_t steps = 1 + shared.below(10); steps > 0; --steps) shared.step();
      shared.commit();
      auto changes = std::exchange(shared.changes, {});
      Part part = make_part(shared.table, changes, transaction, 0, 100 * transaction);
      Part again = make_part(shared.table, changes, transaction, 0, 100 * transaction);
      ASSERT_TRUE(bronze.apply(part));
      ASSERT_EQ(bronze.rows, shared.truth());
      // Sent once more, as after a crash before its fence.
      if (shared.table.has_changes) continue;
      ASSERT_TRUE(bronze.apply(again));
      ASSERT_EQ(bronze.rows, shared.truth());
    }
    if (shared.table.has_changes) bronze.expect_sums();
  }
}

TEST(ChangeRowsProperty, AShiftOfDeferrableKeysGoesOverTheEndOfAPart) {
  for (bool has_changes : {false, true}) {
    SharedKeys shared(1, has_changes);
    Bronze bronze;
    for (int64_t key = 0; key < 20; ++key) shared.insert_row(key);
    Part first = make_part(shared.table, std::exchange(shared.changes, {}), 1, 0, 100);
    ASSERT_TRUE(bronze.apply(first));
    for (size_t row = 0; row < 20; ++row) shared.move(row, shared.rows[row].first + 1);
    auto changes = std::exchange(shared.changes, {});
    auto middle = changes.begin() + 14;
    Part left = make_part(shared.table, {changes.begin(), middle}, 2, 0, 200);
    Part right = make_part(shared.table, {middle, changes.end()}, 2, 1, 200);
    ASSERT_TRUE(bronze.apply(left));
    ASSERT_TRUE(bronze.apply(right));
    EXPECT_EQ(bronze.rows, shared.truth());
    if (has_changes) bronze.expect_sums();
  }
}

}  // namespace
}  // namespace tidemark::ingest
