// What full evaluation and a few keys cost: 50 segments that use every group of the language over many people
// and events. Small by default, then it only proves that a few keys get the answers of the full evaluation;
// TIDEMARK_PEOPLE=1000000 TIDEMARK_EVENTS=20000000 measures (times are printed, nothing is judged by them).
#include "segments/few_entities.h"
#include "segments/test_memberships.h"

#include <chrono>
#include <cstdlib>

namespace tidemark::segments {
namespace {

int64_t environment(const char* name, int64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::strtoll(given, nullptr, 10);
}

class SegmentCost : public SegmentsTest {
 protected:
  void fill(int64_t people, int64_t events) {
    run(
        fmt::format("INSERT INTO bronze.people SELECT concat('u', toString(number)), ['free', 'pro', "
                    "'team'][1 + number % 3], number % 1000, "
                    "number % 50, toDate32('1990-01-01') + number % 10000, fromUnixTimestamp64Micro({} - "
                    "toInt64(number % 400) * "
                    "86400000000, 'UTC'), [], number % 1000, concat('{{\"industry\":\"i', toString(number % "
                    "20), '\",\"size\":', "
                    "toString(number % 500), ',\"city\":\"c', toString(number % 100), '\"}}'), 1, 0, "
                    "now64(6), 1 FROM numbers({})",
                    now_, people));
    // As the event store lays them out: by user, then time.
    run("DROP TABLE bronze.app_events__current");
    run("DROP TABLE bronze.app_events");
    run("CREATE TABLE bronze.app_events (message_id String, user_id String, event LowCardinality(String), "
        "timestamp "
        "DateTime64(6, 'UTC'), properties String) ENGINE = MergeTree ORDER BY (user_id, timestamp)");
    run(fmt::format(
        "INSERT INTO bronze.app_events SELECT toString(number), concat('u', toString(sipHash64(number) % "
        "{})), ['visit', "
        "'visit', 'visit', 'visit', 'click', 'click', 'cart', 'order', 'search', 'support'][1 + "
        "sipHash64(number, 1) % 10], "
        "fromUnixTimestamp64Micro({} - toInt64(sipHash64(number, 2) % 7776000) * 1000000, 'UTC'), "
        "concat('{{\"amount\":', toString(sipHash64(number, 3) % 200), ',\"plan\":\"', ['free', 'pro'][1 + "
        "number % 2], "
        "'\",\"page\":\"/p', toString(number % 50), '\"}}') FROM numbers({})",
        people, now_, events));
  }

  std::vector<Definition> fifty() {
    std::vector<std::string> wheres = {
        "{property: plan, eq: pro}",
        "[{property: industry, eq: i3}, {property: size, gte: 250}]",
        "{property: city, in: [c1, c2, c3]}",
        "{property: signed_up, within_last: 30d}",
        "{any: [{property: industry, starts_with: i1}, {property: size, lt: 10}]}",
        "{event: order, count: {gte: 2}, within: 30d}",
        "{event: order, count: 0, within: 30d}",
        "{event: visit, count: {gte: 5}, within: 7d}",
        "[{property: plan, eq: free}, {event: visit, count: {gte: 3}, within: 14d}]",
        "{event: order, sum: {property: amount, gte: 200}, within: 60d}",
        "{event: order, last: {plan: pro}}",
        "{event: click, where: {page: /p7}, within: 30d}",
        "{event: visit, active_days: {gte: 4}, within: 30d}",
        "{sequence: [{event: cart}, {event: order}], within: 1d, started: {within: 30d}}",
        "{sequence: [{event: cart}, {no_event: order}], within: 2h, started: {within: 7d}}",
        "{stopped: visit, for: 14d, active_within: 60d}",
        "{not: {event: support, within: 30d}}",
        "{random: 10%}",
        "{all: [{not: {property: plan, eq: team}}, {any: [{event: search, within: 7d}, {event: cart, within: "
        "7d}]}]}",
        "{event: visit, regularly: {times: 1, periods: 3, of: 4, period: week}}",
        "{event: \"s*\", count: {between: [1, 3]}, within: 30d}",
        "{event: order, max: {property: amount, gte: 150}, within: 90d}",
        "{event: order, first: {amount: {gte: 100}}}",
        "{restarted: visit, after: 20d, within: 7d}",
        "{event: click, count_distinct: {property: page, gte: 3}, within: 30d}",
    };
    std::vector<Definition> definitions;
    for (int turn = 0; turn < 2; ++turn)
      for (size_t index = 0; index < wheres.size(); ++index) {
        std::string where = wheres[index];
        // The second half: the same shapes over other windows.
        if (turn == 1)
          for (auto [from, to] : {std::pair{"30d", "45d"}, {"7d", "10d"}, {"14d", "21d"}, {"60d", "75d"}})
            if (size_t at = where.find(from); at != std::string::npos)
              where.replace(at, std::string(from).size(), to);
        definitions.push_back(of_people(where));
      }
    return definitions;
  }

  clickhouse::ClientPool pool_{clickhouse::TestServer::shared().endpoint()};
  const int64_t now_ = 1'780'272'000 * second_us;
};

TEST_F(SegmentCost, FiftySegments) {
  const int64_t people = environment("TIDEMARK_PEOPLE", 2'000),
                events = environment("TIDEMARK_EVENTS", 20'000);
  const auto slice = static_cast<size_t>(environment("TIDEMARK_SLICE", 10));
  fill(people, events);
  std::vector<Definition> definitions = fifty();
  ASSERT_EQ(definitions.size(), 50u);
  const std::vector<std::vector<std::string>> keys = {{"u1"}, {"u7"}, {"u1500"}};
  auto took = [](auto since) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - since)
        .count();
  };
  int64_t all_ms = 0, keys_ms = 0, memory_ms = 0;
  for (size_t from = 0; from < definitions.size(); from += slice) {
    std::vector<const Definition*> part;
    for (size_t index = from; index < std::min(from + slice, definitions.size()); ++index)
      part.push_back(&definitions[index]);
    auto full = compiled(part);
    options_.for_keys = true;
    auto few = compiled(part);
    options_.for_keys = false;
    ASSERT_TRUE(full && few);
    std::string counts, columns = "id";
    for (size_t index = 0; index < part.size(); ++index) {
      counts += fmt::format("{}countIf(member_{})", index == 0 ? "" : ", ", index);
      columns += fmt::format(", member_{0}, next_change_at_{0}", index);
    }
    auto options = query_options(*full, now_);
    options.timeout = std::chrono::milliseconds(600'000);
    auto started = std::chrono::steady_clock::now();
    auto sizes = client_.query_text(fmt::format("SELECT {} FROM ({})", counts, full->sql), options);
    ASSERT_TRUE(sizes) << sizes.error().describe();
    all_ms += took(started);
    if (std::getenv("TIDEMARK_EVENTS") != nullptr) fmt::print("{} ms: {}", took(started), *sizes);
    auto of_keys = fmt::format("SELECT {} FROM ({}) ORDER BY id", columns, few->sql);
    auto warm = client_.query_text(of_keys, query_options(*few, now_, keys));
    ASSERT_TRUE(warm) << warm.error().describe();
    started = std::chrono::steady_clock::now();
    auto answer = client_.query_text(of_keys, query_options(*few, now_, keys));
    ASSERT_TRUE(answer);
    keys_ms += took(started);
    std::vector<Problem> problems;
    Catalog catalog(client_);
    auto memory = compile_few(catalog, part, options_, problems);
    ASSERT_TRUE(memory && problems.empty());
    for (int turn = 0; turn < 2; ++turn) {
      started = std::chrono::steady_clock::now();
      auto answers = ask_few(pool_, *memory, now_, {"u1", "u7", "u1500"});
      ASSERT_TRUE(answers && *answers) << (answers ? "" : answers.error().describe());
      EXPECT_EQ((*answers)->size(), 3u);
      if (turn == 1) memory_ms += took(started);
    }
    // Where the oracle becomes the cheaper of both: limits::few_entities_max.
    for (int64_t count : {int64_t{100}, int64_t{1'000}, int64_t{5'000}, int64_t{20'000}}) {
      if (std::getenv("TIDEMARK_EVENTS") == nullptr || count > people) continue;
      std::vector<std::string> entities;
      std::vector<std::vector<std::string>> some;
      for (int64_t key = 0; key < count; ++key) {
        entities.push_back(fmt::format("u{}", key * (people / count)));
        some.push_back({entities.back()});
      }
      started = std::chrono::steady_clock::now();
      auto by_oracle = client_.query_text(of_keys, query_options(*few, now_, some));
      ASSERT_TRUE(by_oracle) << by_oracle.error().describe();
      int64_t oracle_ms = took(started);
      started = std::chrono::steady_clock::now();
      auto answers = ask_few(pool_, *memory, now_, entities);
      ASSERT_TRUE(answers) << answers.error().describe();
      fmt::print("{} keys: oracle {} ms, in memory {} ms{}\n", count, oracle_ms, took(started),
                 *answers ? "" : " (too many events)");
    }
    auto same = client_.query_text(
        fmt::format("SELECT {} FROM ({}) WHERE id IN ('u1', 'u7', 'u1500') ORDER BY id", columns, full->sql),
        options);
    ASSERT_TRUE(same) << same.error().describe();
    EXPECT_EQ(*answer, *same);
  }
  const auto slices = static_cast<int64_t>((definitions.size() + slice - 1) / slice);
  fmt::print(
      "{} people, {} events, 50 segments in slices of {}: full {} ms; three keys {} ms a slice, in memory {} "
      "ms\n",
      people, events, slice, all_ms, keys_ms / slices, memory_ms / slices);
}

// What a cut of 150 events costs whoever evaluates, asked of the warehouse and followed in memory.
TEST_F(SegmentCost, ACut) {
  const int64_t people = environment("TIDEMARK_PEOPLE", 2'000),
                events = environment("TIDEMARK_EVENTS", 20'000), cuts = environment("TIDEMARK_CUTS", 2);
  fill(people, events);
  std::vector<Definition> definitions = fifty();
  for (size_t index = 0; index < definitions.size(); ++index)
    definitions[index].name = fmt::format("s{}", index);
  uint64_t cut = 0;
  std::vector<size_t> changes;
  for (bool in_memory : {false, true}) {
    KeptMemberships kept(now_);
    kept.slice = limits::everybody_slice;
    kept.begin(limits::alone_entities_min, in_memory ? size_t{4} << 30 : 0);
    ASSERT_TRUE(kept.replace(definitions, options_));
    auto read = kept.evaluator->warm_up();
    ASSERT_TRUE(read) << read.error().describe();
    kept.news();
    int64_t all_ms = 0;
    for (int64_t turn = 0; turn < cuts; ++turn) {
      Block block;
      ColumnType text = ColumnType::of(TypeKind::string), name = text;
      name.low_cardinality = true;
      for (const char* column : {"message_id", "user_id"}) block.add(column, text);
      block.add("event", name);
      block.add("timestamp", ColumnType::datetime64(6, "UTC"));
      block.add("properties", text);
      std::vector<std::string> touched;
      ++cut;
      for (int64_t row = 0; row < 150; ++row) {
        touched.push_back(fmt::format("u{}", (static_cast<int64_t>(cut) * 7919 + row * 131) % people));
        block.columns[0].append_text(fmt::format("c{}_{}", cut, row));
        block.columns[1].append_text(touched.back());
        block.columns[2].append_text(row % 3 == 0 ? "order" : "visit");
        block.columns[3].append<int64_t>(now_ - row * second_us);
        block.columns[4].append_text(R"({"amount":170,"plan":"pro","page":"/p7"})");
      }
      kept.evaluator->cut_begins("app", cut, false);
      auto sent = client_.insert("`bronze`.`app_events`", block);
      ASSERT_TRUE(sent) << sent.error().describe();
      auto started = std::chrono::steady_clock::now();
      kept.evaluator->part_goes_in("app", cut, "bronze.app_events", &block);
      auto nobody = []() -> Result<std::vector<std::string>> { return std::vector<std::string>(); };
      for (const auto& group : kept.evaluator->groups()) {
        auto followed = kept.evaluator->happened(group, cut, {"bronze.app_events"}, nobody, "event");
        ASSERT_TRUE(followed) << followed.error().describe();
        EXPECT_EQ(*followed, in_memory);
      }
      if (!in_memory) {
        auto asked = kept.touched(touched);
        ASSERT_TRUE(asked) << asked.error().describe();
      }
      all_ms +=
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started)
              .count();
    }
    changes.push_back(kept.news().size());
    kept.proven(options_, in_memory ? "followed in memory" : "asked");
    fmt::print("{} people, {} events: a cut of 150 events {} ms, {}\n", people, events, all_ms / cuts,
               in_memory ? "followed in memory" : "asked of the warehouse");
  }
  EXPECT_GT(changes.back(), 0u);
}

}  // namespace
}  // namespace tidemark::segments
