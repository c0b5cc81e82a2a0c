// Alerts as files: what they mean, and every mistake at its place.
#include "config/alert_reader.h"

#include <gtest/gtest.h>

namespace tidemark::config {
namespace {

struct Loaded {
  std::vector<Alert> alerts;
  std::vector<Diagnostic> errors;
  std::string messages() const {
    std::string text;
    for (const auto& error : errors) text += std::to_string(error.where.line) + ": " + error.message + "\n";
    return text;
  }
};

Loaded load(const std::string& text, const Project& project = {}) {
  static int count = 0;
  std::filesystem::path root =
      std::filesystem::temp_directory_path() / ("tidemark-alerts-" + std::to_string(getpid()));
  std::filesystem::create_directories(root / "alerts");
  std::filesystem::path file = "alerts/" + std::to_string(++count) + ".yaml";
  FILE* out = fopen((root / file).c_str(), "w");
  fputs(text.c_str(), out);
  fclose(out);
  Report report(root);
  Environment environment(true);
  Loaded loaded;
  load_alert({report, environment}, file, loaded.alerts);
  Destination crm;
  crm.name = "crm";
  check_alerts(report, project, {}, {crm}, loaded.alerts);
  loaded.errors = report.take_errors();
  std::filesystem::remove_all(root);
  return loaded;
}

TEST(LoadAlert, reads_a_query) {
  Loaded loaded = load(R"(alert: slow
severity: critical
query: SELECT avg(took) FROM bronze.calls WHERE at >= {from:DateTime} AND at < {to:DateTime64(3)}
period: 1h
when: { above: 2.5, recover: 2 }
for: 5m
recover_for: 1m
repeat: 4h
every: 10s
notify: [crm]
)");
  ASSERT_EQ(loaded.messages(), "");
  const Alert& alert = loaded.alerts.at(0);
  EXPECT_EQ(alert.name, "slow");
  EXPECT_EQ(alert.limit, 2.5);
  EXPECT_EQ(alert.recover, 2);
  EXPECT_EQ(alert.times.size(), 2);
  EXPECT_EQ(alert.period_seconds, 3600);
  EXPECT_EQ(alert.for_seconds, 300);
  EXPECT_EQ(alert.every_seconds, 10);
  EXPECT_EQ(describe_condition(alert), "above 2.5, for 5 min");
}

TEST(LoadAlert, makes_queries_of_models_and_endpoints) {
  Project project;
  ModelFile model;
  model.database = "analytics";
  model.name = "orders";
  project.models.push_back(model);
  EndpointFile endpoint;
  endpoint.name = "shop";
  endpoint.sql = "SELECT 1 AS revenue WHERE 1 = {id:UInt32}";
  EndpointParameter parameter;
  parameter.name = "id";
  parameter.required = true;
  endpoint.parameters.push_back(parameter);
  project.endpoints.push_back(endpoint);

  Loaded falls = load(R"(alert: revenue
model: analytics.orders
value: sum(amount)
time: placed_at
where: state = 'paid'
period: 1d
when: { falls: 30% }
)",
                      project);
  ASSERT_EQ(falls.messages(), "");
  EXPECT_EQ(falls.alerts[0].sql,
            "SELECT sum(amount) FROM analytics.orders WHERE (state = 'paid') AND placed_at >= "
            "{from:DateTime} AND placed_at < {to:DateTime}");
  EXPECT_EQ(describe_condition(falls.alerts[0]), "falls by more than 30 % against the 1 d before");

  Loaded silent = load("alert: silent\nmodel: bronze.clicks\ntime: at\nwhen: { no_data: 10m }\n", project);
  ASSERT_EQ(silent.messages(), "");
  EXPECT_EQ(silent.alerts[0].sql, "SELECT dateDiff('second', maxOrNull(at), now()) FROM bronze.clicks");
  EXPECT_EQ(silent.alerts[0].limit, 600);
  EXPECT_TRUE(silent.alerts[0].empty_fires);

  Loaded shop = load(
      "alert: shop\nendpoint: shop\nvalue: revenue\nparameters: { id: 7 }\nwhen: { below: 1 }\n", project);
  ASSERT_EQ(shop.messages(), "");
  EXPECT_EQ(shop.alerts[0].sql, "SELECT revenue FROM (\nSELECT 1 AS revenue WHERE 1 = {id:UInt32}\n)");
  EXPECT_EQ(shop.alerts[0].parameters.at("id"), "7");
}

TEST(LoadAlert, reads_audits_and_sources) {
  Project project;
  PostgresSource source;
  source.name = "ads";
  project.sources.push_back(source);
  Loaded audit = load("alert: audits\naudit: all\nnotify: crm\n", project);
  EXPECT_EQ(audit.messages(), "");
  Loaded lag = load("alert: lag\nsource: ads\nwhen: { lag_above: 90s, recover: 10s }\n", project);
  ASSERT_EQ(lag.messages(), "");
  EXPECT_EQ(lag.alerts[0].limit, 90);
  EXPECT_EQ(describe_condition(lag.alerts[0]), "more than 90 s behind");
  Loaded kept =
      load("alert: kept\nsource: ads\nwhen: { slot_retained_above: 4 GB, recover: 1 GB }\n", project);
  ASSERT_EQ(kept.messages(), "");
  EXPECT_EQ(kept.alerts[0].limit, 4e9);
  Loaded left = load("alert: left\nsource: ads\nwhen: { slot_left_below: 1h, recover: 2h }\n", project);
  ASSERT_EQ(left.messages(), "");
  EXPECT_EQ(left.alerts[0].condition, Alert::Condition::below);
  EXPECT_EQ(describe_condition(left.alerts[0]), "its slot is invalid in less than 1 h");
  EXPECT_EQ(load("alert: one\nquery: SELECT 1\nwhen: { slot_left_below: 10s }\n").messages(),
            "3: `slot_left_below` is for alerts on a source\n");
  EXPECT_EQ(load("alert: lag\nsource: adds\nwhen: { lag_above: 90s }\n", project).messages(),
            "2: there is no source `adds` (did you mean `ads`?)\n");
}

TEST(LoadAlert, tells_every_mistake_at_its_place) {
  EXPECT_EQ(load("alert: one\nwhen: { above: 1 }\n").messages(), "1: an alert says what is looked at\n");
  EXPECT_EQ(load("alert: one\nquery: SELECT 1\n").messages(), "1: an alert needs `when`\n");
  EXPECT_EQ(load("alert: one\nquery: SELECT 1\nwhen: { above: 1, below: 2 }\n").messages(),
            "3: `when` has `above` already\n");
  EXPECT_EQ(load("alert: one\nquery: SELECT 1\nwhen: { above: 1, recover: 2 }\n").messages(),
            "3: `recover` lies on the bad side of `above`\n");
  EXPECT_EQ(load("alert: one\nquery: SELECT {x:Int8}\nwhen: { above: 1 }\n").messages(),
            "2: there is no parameter `x`\n");
  EXPECT_EQ(load("alert: one\nquery: SELECT {from:Date}\nperiod: 1d\nwhen: { above: 1 }\n").messages(),
            "2: `from` is not Date\n"
            "3: the query does not name the ends of `period`\n");
  EXPECT_EQ(load("alert: one\nquery: SELECT 1\nwhen: { rises: 10% }\n").messages(),
            "1: there is no period before to compare with\n");
  EXPECT_EQ(load("alert: one\nquery: SELECT 1\nwhen: { lag_above: 10s }\n").messages(),
            "3: `lag_above` is for alerts on a source\n");
  EXPECT_EQ(load("alert: one\nquery: SELECT 1\nwhen: { above: 1 }\nnotify: [crn]\n").messages(),
            "4: there is no destination `crn` (did you mean `crm`?)\n");
  EXPECT_EQ(load("alert: one\nquery: SELECT 1\nwhen: { above: 1 }\nfour: 5m\n").messages(),
            "4: unknown key `four` in an alert (did you mean `for`?)\n");
  EXPECT_EQ(load("alert: one\nmodel: a.b\nvalue: count()\nwhen: { above: 1 }\n").messages(),
            "2: there is no model `a.b`\n");
  EXPECT_EQ(load("alert: one\nquery: DROP TABLE x\nwhen: { above: 1 }\n").errors.size(), 1);
}

}  // namespace
}  // namespace tidemark::config
