#include "models/auditor.h"

#include "base/limits.h"
#include "models/model_health.h"
#include "models/test_warehouse.h"

#include <gmock/gmock.h>

namespace tidemark::models {
namespace {

using testing::HasSubstr;

class AuditorTest : public ModelsTest {
 protected:
  // A new order, in a cut of its own that is in when this returns.
  void order(int id, int shop, const std::string& buyer) {
    ++cut_;
    Version version = make_version(1, cut_, 1);
    std::string row =
        fmt::format("{}, {}, {}, 1, 1, NULL, 1, true, 1, '2026-01-01 00:00:00'", id, shop, buyer);
    std::string tail = fmt::format("toUInt128('{}')", static_cast<unsigned __int128>(version));
    run(fmt::format("INSERT INTO bronze.orders__changes SELECT {}, 1, 'i', {}, '2026-01-01 00:00:00', {}",
                    row, tail, cut_));
    run(fmt::format("INSERT INTO bronze.orders SELECT {}, {}, 0, '2026-01-01 00:00:00', {}", row, tail,
                    cut_));
    touched({"bronze.orders"});
  }
  void shop(int shop, bool there = true) {
    ++cut_;
    run(
        fmt::format("INSERT INTO bronze.shops SELECT {}, 'a', '2020-01-01', toUInt128('{}'), {}, '2026-01-01 "
                    "00:00:00', {}",
                    shop, static_cast<unsigned __int128>(make_version(1, cut_, 1)), there ? 0 : 1, cut_));
    touched({"bronze.shops"});
  }

  void start(std::vector<config::AuditLine> lines, const std::vector<config::AuditFile>& files = {}) {
    auto facts = model_file("analytics.facts", "incremental", "SELECT id, buyer, shop FROM bronze.orders");
    facts.order_by = {"id"};
    facts.audits = std::move(lines);
    auto report = model_file("analytics.report", "view",
                             "SELECT shop, count() AS orders FROM analytics.facts GROUP BY shop");
    models_ = good({facts, report});
    apply(models_);
    auto audits = define_audits(client_, models_, files);
    ASSERT_TRUE(audits) << audits.error().describe();
    audits_ = *audits;
    auditor_ =
        std::make_unique<Auditor>(AuditorOptions{.endpoint = client_.endpoint(),
                                                 .clock = &clock_,
                                                 .positions = [this]() -> std::optional<SourcePositions> {
                                                   if (!streaming_) return std::nullopt;
                                                   ++asked_;
                                                   return SourcePositions{{"shop",
                                                                           {.epoch = 1,
                                                                            .received = cut_ + under_way_,
                                                                            .queryable = cut_,
                                                                            .cut = cut_,
                                                                            .idle = under_way_ == 0,
                                                                            .lag_ms = lag_ms_}}};
                                                 }});
    auditor_->replace(audits_, {{"bronze.orders", "shop"}, {"bronze.shops", "shop"}});
  }

  // Everything that is due at once, then everything that is due later.
  void settle() {
    while (auditor_->step()) {
    }
    clock_.advance(limits::audit_whole_distance_us + 1);
    while (auditor_->step()) {
    }
  }

  AuditState state(const std::string& audit) {
    for (const auto& state : auditor_->states())
      if (state.audit == audit) return state;
    ADD_FAILURE() << "no audit " << audit;
    return {};
  }
  const Audit& defined(const std::string& name) {
    for (const auto& audit : audits_)
      if (audit.audit == name) return audit;
    ADD_FAILURE() << "no audit " << name;
    return audits_.front();
  }

  void touched(const std::vector<std::string>& tables) {
    if (auditor_) auditor_->on_cut(tables);
  }

  uint64_t cut_ = 0, under_way_ = 0;
  int64_t lag_ms_ = 0;
  int asked_ = 0;
  bool streaming_ = true;
  ManualClock clock_{1'800'000'000'000'000};
  CompiledModels models_;
  std::vector<Audit> audits_;
  std::unique_ptr<Auditor> auditor_;
};

TEST_F(AuditorTest, FailuresComeAndGoWithTheCuts) {
  start({config::AuditLine("not_null(buyer)"), config::AuditLine("unique(id)"),
         config::AuditLine("relationships(shop, bronze.shops, shop)"),
         config::AuditLine("row_count(min = 1)")});
  shop(1);
  order(1, 1, "'ann'");
  streaming_ = false;
  EXPECT_FALSE(auditor_->step()) << "a source that copies violates everything";
  EXPECT_FALSE(state("unique(id)").known);
  streaming_ = true;
  settle();
  for (const auto& one : auditor_->states()) EXPECT_TRUE(one.known && one.passed()) << one.audit << one.error;
  EXPECT_EQ(state("unique(id)").cuts.at("shop"), cut_);

  order(2, 7, "NULL");
  settle();
  EXPECT_EQ(state("not_null(buyer)").failing, 1u);
  EXPECT_THAT(state("not_null(buyer)").examples.at(0), HasSubstr("(2,NULL,7)"));
  EXPECT_GT(state("not_null(buyer)").since_micros, 0);
  EXPECT_EQ(state("relationships(shop, bronze.shops, shop)").failing, 1u);
  EXPECT_TRUE(state("unique(id)").passed());

  shop(7);
  order(2, 7, "'bob'");
  settle();
  for (const auto& one : auditor_->states()) EXPECT_TRUE(one.passed()) << one.audit;
  EXPECT_EQ(state("not_null(buyer)").since_micros, 0);
  // The order did not change; what it points to did.
  shop(7, false);
  settle();
  EXPECT_EQ(state("relationships(shop, bronze.shops, shop)").failing, 1u);
  EXPECT_EQ(text("SELECT failing FROM tidemark.audits WHERE audit = 'not_null(buyer)' ORDER BY at"),
            "0\n1\n0\n");
}

TEST_F(AuditorTest, OnlyWhatChangedIsAsked) {
  start({config::AuditLine("not_null(buyer)"), config::AuditLine("unique(id)"),
         config::AuditLine("unique(buyer)"), config::AuditLine("row_count(min = 0)"),
         config::AuditLine("relationships(shop, bronze.shops, shop)")});
  EXPECT_EQ(defined("row_count(min = 0)").changed_query, "");
  EXPECT_EQ(defined("relationships(shop, bronze.shops, shop)").changed_tables,
            (std::set<std::string>{"bronze.orders"}));
  for (int id = 1; id <= 5; ++id) order(id, 1, fmt::format("'buyer {}'", id));
  Version since = make_version(1, cut_, 0);
  for (const char* audit : {"not_null(buyer)", "unique(id)", "unique(buyer)"}) {
    auto none = suspects_since(client_, defined(audit), since);
    ASSERT_TRUE(none) << none.error().describe();
    EXPECT_FALSE(*none) << audit;
  }
  order(6, 1, "NULL");
  order(7, 1, "'buyer 2'");
  EXPECT_TRUE(*suspects_since(client_, defined("not_null(buyer)"), since));
  EXPECT_TRUE(*suspects_since(client_, defined("unique(buyer)"), since)) << "the other row is old";
  EXPECT_FALSE(*suspects_since(client_, defined("unique(id)"), since));
  EXPECT_FALSE(*suspects_since(client_, defined("not_null(buyer)"), make_version(1, cut_, 0)));
}

TEST_F(AuditorTest, HalfACutIsNoFailure) {
  start({config::AuditLine("relationships(shop, bronze.shops, shop)")});
  shop(1);
  order(1, 1, "'ann'");
  settle();
  // The order is in, its shop is on the way and comes before the second question.
  order(2, 8, "'bob'");
  under_way_ = 1;
  bool sent = false;
  AuditorOptions options{.endpoint = client_.endpoint(), .clock = &clock_};
  options.positions = [&]() -> std::optional<SourcePositions> {
    // The third call comes after the first answer.
    if (++asked_ >= 3 && !std::exchange(sent, true)) {
      shop(8);
      under_way_ = 0;
    }
    return SourcePositions{{"shop",
                            {.epoch = 1,
                             .received = cut_ + under_way_,
                             .queryable = cut_,
                             .cut = cut_,
                             .idle = under_way_ == 0}}};
  };
  asked_ = 0;
  Auditor beside(options);
  beside.replace(audits_, {{"bronze.orders", "shop"}, {"bronze.shops", "shop"}});
  ASSERT_TRUE(beside.step());
  EXPECT_TRUE(sent);
  EXPECT_TRUE(beside.states().at(0).known);
  EXPECT_TRUE(beside.states().at(0).passed());
}

TEST_F(AuditorTest, CutsThatAreBehindComeFirstForAWhile) {
  start({"not_null(buyer)"});
  settle();
  order(1, 3, "NULL");
  lag_ms_ = 5'000;
  clock_.advance(limits::audit_whole_distance_us + 1);
  EXPECT_FALSE(auditor_->step());
  EXPECT_TRUE(state("not_null(buyer)").passed());
  lag_ms_ = 0;
  EXPECT_TRUE(auditor_->step());
  EXPECT_EQ(state("not_null(buyer)").failing, 1u);
  order(2, 3, "NULL");
  lag_ms_ = 5'000;
  clock_.advance(limits::audit_whole_distance_us + 1);
  EXPECT_FALSE(auditor_->step());
  clock_.advance(60'000'000);
  EXPECT_TRUE(auditor_->step()) << "not for ever";
  EXPECT_EQ(state("not_null(buyer)").failing, 2u);
}

TEST_F(AuditorTest, FilesAndBlocking) {
  config::AuditFile orphans{.name = "orphans", .file = "audits/orphans.sql"};
  orphans.sql = "SELECT id FROM bronze.orders WHERE shop NOT IN (SELECT shop FROM bronze.shops)";
  orphans.models = {"bronze.orders"};
  orphans.severity = config::AuditSeverity::blocking;
  config::AuditFile broken{.name = "broken", .file = "audits/broken.sql"};
  broken.sql = "SELECT nonsense FROM analytics.report";
  broken.severity = config::AuditSeverity::warning;
  config::AuditLine blocking("not_null(buyer)");
  blocking.severity = config::AuditSeverity::blocking;
  start({blocking}, {orphans, broken});
  settle();
  EXPECT_FALSE(state("sql(broken)").error.empty());
  EXPECT_EQ(state("sql(broken)").model, "analytics.report");
  auto health = health_of(models_, auditor_->states());
  EXPECT_FALSE(health.at("analytics.report").failed) << "warnings fail nothing";
  order(1, 3, "'ann'");
  settle();
  health = health_of(models_, auditor_->states());
  EXPECT_EQ(state("sql(orphans)").failing, 1u);
  EXPECT_TRUE(health.at("analytics.facts").failed);
  EXPECT_TRUE(health.at("analytics.report").failed);
  EXPECT_THAT(health.at("analytics.report").reason,
              HasSubstr("sql(orphans) of bronze.orders fails for 1 rows"));
  shop(3);
  settle();
  EXPECT_FALSE(health_of(models_, auditor_->states()).at("analytics.report").failed);
  order(2, 3, "NULL");
  settle();
  EXPECT_THAT(health_of(models_, auditor_->states()).at("analytics.report").reason,
              HasSubstr("not_null(buyer) of analytics.facts"));

  const CompiledModel& facts = *models_.find("analytics.facts");
  EXPECT_FALSE(refuse_when_blocked(client_, facts, "analytics.facts"));
  EXPECT_TRUE(refuse_when_blocked(client_, facts, "(SELECT * FROM analytics.facts WHERE id = 1)"));
}

TEST_F(AuditorTest, AFailingBlockingAuditKeepsTheVersionBefore) {
  config::AuditLine blocking("not_null(buyer)");
  blocking.severity = config::AuditSeverity::blocking;
  auto facts =
      model_file("analytics.facts", "view", "SELECT id, buyer FROM bronze.orders WHERE buyer IS NOT NULL");
  facts.audits = {blocking};
  order(1, 1, "'ann'");
  order(2, 1, "NULL");
  apply(good({facts}));
  facts.sql = "SELECT id, buyer FROM bronze.orders";
  CompiledModels models = good({facts});
  auto plan = compute_plan(client_, models);
  ASSERT_TRUE(plan);
  auto done = apply_plan(client_, models, *plan, {});
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().describe(),
              HasSubstr("is not published: its blocking audit not_null(buyer) fails for 1 rows"));
  EXPECT_EQ(text("SELECT count() FROM analytics.facts"), "1\n");
  order(2, 1, "'bob'");
  apply(models);
  EXPECT_EQ(text("SELECT count() FROM analytics.facts"), "2\n");
}

}  // namespace
}  // namespace tidemark::models
