// Conditions that look at other tables: related rows, groups, other segments, lists, the history of a value;
// what the warehouse must have, told with a place; several definitions in one query.
#include "segments/segment_files.h"
#include "segments/test_segments.h"

namespace tidemark::segments {
namespace {

using testing::HasSubstr;
using Keys = std::set<std::string>;

class SegmentJoins : public SegmentsTest {
 protected:
  void expect(const std::string& where, const Keys& keys) { EXPECT_EQ(members(where, now_), keys) << where; }

  std::string problems(const Definition& definition) {
    auto found = check_segments(client_, {&definition}, options_);
    EXPECT_TRUE(found) << (found ? "" : found.error().describe());
    return found ? config::render(*found) : "";
  }

  int64_t now_ = 1'780'272'000 * second_us;  // 2026-06-01 00:00:00
};

TEST_F(SegmentJoins, RelatedRows) {
  for (const char* id : {"a", "b", "c", "d"}) person(id);
  add("products", {"1, 'shoes', '2026-01-01 00:00:00'", "2, 'hats', '2026-05-31 00:00:00'"});
  add("orders",
      {"1, 'a', 1, 10.00, 'paid', '2026-05-01 00:00:00'", "2, 'a', 2, 20.00, 'paid', '2026-05-31 12:00:00'",
       "3, 'b', 2, 5.00, 'open', '2026-05-31 12:00:00'", "4, 'c', 1, 1.00, 'paid', '2026-05-31 12:00:00'",
       "5, 'x', 1, 1.00, 'paid', '2026-05-31 12:00:00'"});
  const std::string orders = "related: bronze.orders, on: {buyer: id}";
  expect("{" + orders + "}", {"a", "b", "c"});
  expect("{" + orders + ", count: 0}", {"d"});
  expect("{" + orders + ", where: {status: paid}, count: {gte: 2}}", {"a"});
  expect("{" + orders + ", where: {status: paid}, sum: {property: price, gte: 30}}", {"a"});
  expect("{" + orders + ", avg: {property: price, lt: 6}}", {"b", "c"});
  expect("{" + orders + ", max: {property: price, between: [5, 10]}}", {"b"});
  expect("{" + orders + ", count_distinct: {property: product, eq: 2}}", {"a"});
  expect("{" + orders + ", where: [{related: bronze.products, on: {id: product}, where: {category: hats}}]}",
         {"a", "b"});
  expect("{" + orders +
             ", where: [{property: status, eq: paid}, {related: bronze.products, on: {id: product}, where: "
             "{category: hats}}]}",
         {"a"});
  expect("{" + orders +
             ", where: [{related: bronze.products, on: {id: product}, where: {category: hats}, count: 0}]}",
         {"a", "c"});
  // Time passes for related rows, too, one and two tables away.
  auto found = answers(of_people("{" + orders + ", where: {placed: {within_last: 1d}}}"), now_);
  EXPECT_TRUE(found["a"].member);
  EXPECT_EQ(found["a"].next_us, now_ + day_us / 2);
  EXPECT_FALSE(found["d"].next_us);
  EXPECT_FALSE(
      answers(of_people("{" + orders + ", where: {placed: {within_last: 1d}}}"), now_ + day_us / 2)["a"]
          .member);
  found = answers(of_people("{" + orders +
                            ", where: [{related: bronze.products, on: {id: product}, where: {launched: "
                            "{within_last: 2d}}}]}"),
                  now_);
  EXPECT_TRUE(found["b"].member);
  EXPECT_EQ(found["b"].next_us, now_ + day_us);
  EXPECT_FALSE(found["c"].member);
  // A few keys.
  found = answers(of_people("{" + orders + "}"), now_, {{"a"}, {"d"}});
  EXPECT_EQ(found.size(), 2u);
  EXPECT_TRUE(found["a"].member);
  EXPECT_FALSE(found["d"].member);
}

TEST_F(SegmentJoins, AccountsByTheirUsers) {
  add("accounts", {"1, 'one'", "2, 'two'", "3, 'three'"});
  auto user = [](const char* id, const char* account, int visits) {
    return fmt::format("'{}', NULL, NULL, {}, NULL, NULL, [], {}, '{{}}'", id, visits, account);
  };
  add("people", {user("a", "1", 5), user("b", "1", 0), user("c", "2", 7), user("d", "NULL", 9)});
  event("b", "order", now_ - day_us);
  auto accounts = [&](const std::string& where, int64_t as_of,
                      std::vector<std::vector<std::string>> keys = {}) {
    Definition definition = of_people(where);
    definition.entity = "bronze.accounts";
    Keys found;
    for (auto& [key, answer] : answers(definition, as_of, keys))
      if (answer.member) found.insert(key);
    return found;
  };
  const std::string users = "users: bronze.people, by: [account]";
  EXPECT_EQ(accounts("{" + users + ", any: {property: visits, gte: 5}}", now_), (Keys{"1", "2"}));
  EXPECT_EQ(accounts("{" + users + ", all: {property: visits, gte: 5}}", now_), (Keys{"2"}));
  EXPECT_EQ(accounts("{" + users + ", none: {property: visits, gte: 5}}", now_), (Keys{"3"}));
  EXPECT_EQ(accounts("{" + users + ", any: {event: order, within: 2d}}", now_), (Keys{"1"}));
  EXPECT_EQ(accounts("{" + users + ", any: {event: order, within: 2d}}", now_ + day_us), (Keys{}));
  EXPECT_EQ(accounts("{" + users + ", any: {event: order, within: 2d}}", now_, {{"1"}, {"2"}}), (Keys{"1"}));
  Definition timed = of_people("{" + users + ", none: {event: order, within: 2d}}");
  timed.entity = "bronze.accounts";
  auto found = answers(timed, now_);
  EXPECT_EQ(found["1"].next_us, now_ + day_us);
  EXPECT_FALSE(found["3"].next_us);
}

TEST_F(SegmentJoins, MembersOfOtherSegments) {
  person("a", R"({"x":1})");
  person("b", R"({"x":2})");
  event("b", "order", now_ - day_us);
  Definition buyers = of_people("{event: order, within: 2d}");
  Definition ones = of_people("{not: {member: buyers}}");
  options_.lookup = [&](const std::string& name) -> const Definition* {
    return name == "buyers" ? &buyers : name == "ones" ? &ones : nullptr;
  };
  options_.segment_names = {"buyers", "ones"};
  expect("{member: buyers}", {"b"});
  expect("{not_member: buyers}", {"a"});
  expect("{all: [{member: ones}, {property: x, gte: 1}]}", {"a"});
  EXPECT_EQ(answers(of_people("{member: ones}"), now_)["b"].next_us, now_ + day_us);
  EXPECT_THAT(problems(of_people("{member: buyer}")), HasSubstr("did you mean `buyers`?"));
}

TEST_F(SegmentJoins, ListsKeptByHand) {
  for (const char* id : {"a", "b", "c"}) person(id);
  expect("{list: vip}", {});
  ManualLists lists(client_);
  ASSERT_TRUE(lists.create());
  compiled_.clear();  // queries that were made before there was the table know of no list
  expect("{list: vip}", {});
  ASSERT_TRUE(lists.append("vip", {"a", "b", "nobody"}));
  ASSERT_TRUE(lists.append("other", {"c"}));
  expect("{list: vip}", {"a", "b"});
  expect("{not_list: vip}", {"c"});
  ASSERT_TRUE(lists.remove("vip", {"a"}));
  expect("{list: vip}", {"b"});
  ASSERT_TRUE(lists.replace("vip", {"c", "a"}));
  expect("{list: vip}", {"a", "c"});
  EXPECT_EQ(*lists.keys("vip"), (std::vector<std::string>{"a", "c"}));
  ASSERT_TRUE(lists.clear("vip"));
  expect("{list: vip}", {});
  expect("{list: other}", {"c"});
  EXPECT_EQ(*keys_of_csv("id,name\na,\"x\"\n\"b\"\"c\",y\r\n\nd\n", 1, true),
            (std::vector<std::string>{"a", "b\"c", "d"}));
  EXPECT_EQ(*keys_of_csv("1,a\n2,\"b,c\"\n", 2, false),
            (std::vector<std::string>{"[\"1\",\"a\"]", "[\"2\",\"b,c\"]"}));
  EXPECT_THAT(keys_of_csv("1\n", 2, false).error().message, HasSubstr("line 1 has 1 fields"));
}

TEST_F(SegmentJoins, HowLongAValueHasBeen) {
  // Without kept change rows: refused, with the way out.
  EXPECT_THAT(problems(of_people("{property: plan, has_been: pro, at_least: 7d}")),
              HasSubstr("history: true"));
  run("CREATE TABLE bronze.people__history (id String, plan Nullable(String), spend Nullable(Decimal(12, "
      "2)), visits Int64, "
      "born Nullable(Date32), signed_up Nullable(DateTime64(6, 'UTC')), tags Array(String), account "
      "Nullable(Int32), "
      "properties String, _sign Int8, _op LowCardinality(String), _version UInt128, _committed_at "
      "DateTime64(6, 'UTC'), "
      "_cut UInt64) ENGINE = MergeTree ORDER BY (id, _version)");
  uint64_t version = 0;
  auto change = [&](const std::string& id, const std::string& plan, int sign, const char* operation,
                    int days) {
    run(
        fmt::format("INSERT INTO bronze.people__history (id, plan, _sign, _op, _version, _committed_at) "
                    "VALUES ('{}', '{}', "
                    "{}, '{}', {}, fromUnixTimestamp64Micro({}, 'UTC'))",
                    id, plan, sign, operation, ++version, now_ + days * day_us));
  };
  for (const char* id : {"steady", "back", "young", "other"})
    add("people", {fmt::format("'{}', '{}', NULL, 0, NULL, NULL, [], NULL, '{{}}'", id,
                               std::string(id) == "other" ? "free" : "pro")});
  // The same value written again does not restart the clock; another one in between does, and so does a
  // deletion.
  change("steady", "pro", 1, "i", -10);
  change("steady", "pro", -1, "u", -3);
  change("steady", "pro", 1, "u", -3);
  change("back", "pro", 1, "i", -10);
  change("back", "pro", -1, "u", -6);
  change("back", "free", 1, "u", -6);
  change("back", "free", -1, "u", -5);
  change("back", "pro", 1, "u", -5);
  change("young", "pro", 1, "i", -10);
  change("young", "pro", -1, "delete", -4);
  change("young", "pro", 1, "i", -2);
  change("other", "free", 1, "i", -10);
  expect("{property: plan, has_been: pro, at_least: 7d}", {"steady"});
  expect("{property: plan, has_been: pro, at_least: 5d}", {"steady", "back"});
  expect("{property: plan, has_been: pro, less_than: 5d}", {"young"});
  expect("{property: plan, has_been: [pro, free], at_least: 10d}", {"steady", "back", "other"});
  Definition week = of_people("{property: plan, has_been: pro, at_least: 7d}");
  auto found = answers(week, now_);
  EXPECT_FALSE(found["steady"].next_us);
  EXPECT_EQ(found["back"].next_us, now_ + 2 * day_us);
  EXPECT_FALSE(answers(week, now_ + 2 * day_us - second_us)["back"].member);
  EXPECT_TRUE(answers(week, now_ + 2 * day_us)["back"].member);
  EXPECT_TRUE(answers(week, now_, {{"steady"}})["steady"].member);
}

TEST_F(SegmentJoins, KeysOfSeveralColumns) {
  run("CREATE TABLE bronze.leads (tenant Int32, lead String, properties String) ENGINE = MergeTree ORDER BY "
      "(tenant, lead)");
  run("INSERT INTO bronze.leads VALUES (1, 'x', '{\"a\":1}'), (2, 'x', '{\"a\":1}'), (2, 'y', '{\"a\":2}')");
  run("CREATE TABLE bronze.lead_events (tenant String, lead String, name String, at DateTime) ENGINE = "
      "MergeTree ORDER BY lead");
  run("INSERT INTO bronze.lead_events VALUES ('2', 'x', 'opened', '2026-05-31 00:00:00')");
  auto read = definition(R"(segment: opened
entity: bronze.leads
events:
  - { table: bronze.lead_events, key: [tenant, lead], name: name, time: at }
where: [{property: a, eq: 1}, {event: opened, within: 7d}]
)");
  ASSERT_TRUE(read);
  for (bool for_keys : {false, true}) {
    options_.for_keys = for_keys;
    auto query = compiled({&*read});
    ASSERT_TRUE(query);
    EXPECT_EQ(query->key, (std::vector<std::string>{"tenant", "lead"}));
    auto text = client_.query_text(fmt::format("SELECT tenant, lead FROM ({}) WHERE member_0", query->sql),
                                   query_options(*query, now_, {{"2", "x"}, {"2", "y"}}));
    ASSERT_TRUE(text) << text.error().describe();
    EXPECT_EQ(*text, "2\tx\n");
  }
  options_.for_keys = false;
  ManualLists lists(client_);
  ASSERT_TRUE(lists.create());
  ASSERT_TRUE(lists.append("chosen", *keys_of_csv("2,y\n", 2, false)));
  read->condition = Node{InList{"chosen"}, {}};
  auto query = compiled({&*read});
  ASSERT_TRUE(query);
  EXPECT_EQ(*client_.query_text(fmt::format("SELECT lead FROM ({}) WHERE member_0", query->sql),
                                query_options(*query, now_)),
            "y\n");
}

TEST_F(SegmentJoins, SeveralDefinitionsShareAQueryAndLeavesAreShown) {
  person("a", R"({"x":1})");
  event("a", "order", now_ - day_us);
  Definition one = of_people("{all: [{property: x, eq: 1}, {event: order, within: 2d}]}");
  Definition other = of_people("{any: [{event: order, within: 2d}, nobody]}");
  options_.leaves = true;
  auto query = compiled({&one, &other});
  ASSERT_TRUE(query);
  ASSERT_EQ(query->leaves.size(), 2u);  // the event is one leaf of both
  auto row =
      client_.query_text(fmt::format("SELECT member_0, member_1, leaf_0, leaf_value_0, leaf_1, leaf_value_1, "
                                     "toUnixTimestamp64Micro(leaf_next_1) = {} FROM ({})",
                                     now_ + day_us, query->sql),
                         query_options(*query, now_));
  ASSERT_TRUE(row) << row.error().describe();
  EXPECT_EQ(*row, "1\t1\t1\t1\t1\t1\t1\n");
}

TEST_F(SegmentJoins, TheWarehouseIsAsked) {
  person("a");
  auto expect_problem = [&](const Definition& definition, const std::string& message) {
    EXPECT_THAT(problems(definition), HasSubstr(message));
  };
  Definition wrong = of_people("everyone");
  wrong.entity = "bronze.peple";
  expect_problem(wrong, "did you mean `bronze.people`?");
  wrong = of_people("everyone");
  wrong.key = {"idd"};
  expect_problem(wrong, "no column `idd` (did you mean `id`?)");
  wrong = of_people("everyone");
  wrong.time_zone = "Europe/Berln";
  expect_problem(wrong, "there is no time zone");
  expect_problem(of_people("{property: a, matches: '(?<=x)y'}"), "no pattern that RE2 knows");
  expect_problem(of_people("{event: x, where: {a: {matches: '('}}}"), "no pattern that RE2 knows");
  expect_problem(of_people("{related: bronze.order, on: {buyer: id}}"), "did you mean `bronze.orders`?");
  expect_problem(of_people("{related: bronze.orders, on: {byer: id}}"), "did you mean `buyer`?");
  expect_problem(of_people("{related: bronze.orders, on: {buyer: idd}}"),
                 "bronze.people has no column `idd`");
  expect_problem(of_people("{related: bronze.orders, on: {buyer: id}, where: {staus: paid}}"),
                 "did you mean `status`?");
  Definition accounts = of_people("{property: nam, eq: x}");
  accounts.entity = "bronze.accounts";
  expect_problem(accounts, "no column or property `nam` (did you mean `name`?)");
  options_.events.clear();
  expect_problem(of_people("{event: x}"), "there are no event tables");
  EXPECT_EQ(problems(of_people("{property: anything, eq: x}")), "");
  auto tables = event_tables(client_);
  ASSERT_TRUE(tables);
  ASSERT_EQ(tables->size(), 1u);
  EXPECT_EQ(tables->front().table, "bronze.app_events");
}

}  // namespace
}  // namespace tidemark::segments
