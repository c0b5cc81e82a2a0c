// Whole projects written to a temporary folder, loaded, and looked at: what is read, and the exact text of
// what is wrong. Golden texts are compared whole, because the text is the feature.
#include "config/project.h"

#include "config/model_owner.h"

#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ProjectTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::string(TIDEMARK_BINARY_DIR) + "/project-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    write("tidemark.yaml", "project: demo\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file, std::ios::binary) << text;
  }
  LoadedProject load(bool offline = false) { return load_project(root_, {.offline = offline}); }
  // Everything wrong as one text.
  std::string errors() { return render(load().errors); }
  std::string warnings() { return render(load().warnings); }

  std::filesystem::path root_;
};

TEST_F(ProjectTest, DefaultsAreTheEmbeddedWarehouseAndLoopback) {
  LoadedProject loaded = load();
  ASSERT_THAT(loaded.errors, IsEmpty()) << render(loaded.errors);
  ASSERT_NE(loaded.project.warehouse.embedded(), nullptr);
  EXPECT_EQ(loaded.project.warehouse.embedded()->data, root_ / "data");
  EXPECT_EQ(loaded.project.warehouse.embedded()->http_port, 8123);
  EXPECT_EQ(loaded.project.http.host, "127.0.0.1");
  EXPECT_EQ(loaded.project.http.port, 8088);
}

TEST_F(ProjectTest, ReadsEverySetting) {
  write("tidemark.yaml",
        "project: demo\nwarehouse:\n  url: https://ch.example:8443\n  user: tide\n  password: 'p: w'\n  "
        "cluster: main\n"
        "http: { listen: '[::1]:0' }\n");
  LoadedProject loaded = load();
  ASSERT_THAT(loaded.errors, IsEmpty()) << render(loaded.errors);
  const RemoteWarehouse* remote = loaded.project.warehouse.remote();
  ASSERT_NE(remote, nullptr);
  EXPECT_EQ(remote->url, "https://ch.example:8443");
  EXPECT_EQ(remote->password.reveal(), "p: w");
  EXPECT_EQ(remote->cluster, "main");
  EXPECT_EQ(loaded.project.http.host, "::1");
  EXPECT_EQ(loaded.project.http.port, 0);
}

TEST_F(ProjectTest, UnknownKeyNamesTheNearestAtItsPlace) {
  write("tidemark.yaml",
        "project: demo\nwarehouse:\n  embeded: { path: ./data }\nhttp:\n  listn: 127.0.0.1:1\n");
  EXPECT_EQ(errors(),
            "tidemark.yaml:3:3: unknown key `embeded` in `warehouse` (did you mean `embedded`?)\n"
            "    embeded: { path: ./data }\n"
            "    ^\n"
            "  Known keys: `embedded`, `url`, `user`, `password`, `cluster`, `shards`.\n"
            "\n"
            "tidemark.yaml:5:3: unknown key `listn` in `http` (did you mean `listen`?)\n"
            "    listn: 127.0.0.1:1\n"
            "    ^\n"
            "  Known keys: `listen`, `reading`.\n");
}

TEST_F(ProjectTest, CollectsTheErrorsOfAllFiles) {
  write("tidemark.yaml", "project: demo\nhttp: { listen: nowhere }\n");
  write("sources/a.yaml", "source: a\npostgres: { url: x, tables: [t], mode: cdd }\n");
  write("models/analytics/m.sql", "-- knd: view\nSELECT 1 AS a\n");
  write("dashboards/d.yaml", "dashboard: d\ntiles:\n  - { title: T, chart: pie, sql: SELECT 1 }\n");
  write("endpoints/e.sql", "SELECT {id:UInt32}\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("tidemark.yaml:2:17: `listen` must be host:port, not `nowhere`"));
  EXPECT_THAT(text, HasSubstr("sources/a.yaml:2:40: `mode` cannot be `cdd` (did you mean `cdc`?)"));
  EXPECT_THAT(
      text,
      HasSubstr("models/analytics/m.sql:1:4: unknown key `knd` in a model's header (did you mean `kind`?)"));
  EXPECT_THAT(text, HasSubstr("dashboards/d.yaml:3:24: `chart` cannot be `pie`"));
  EXPECT_THAT(text, HasSubstr("endpoints/e.sql:1:8: the parameter `id` is not declared"));
  EXPECT_THAT(load().errors, SizeIs(5)) << text;
}

TEST_F(ProjectTest, MissingProjectSaysHowToMakeOne) {
  std::filesystem::remove(root_ / "tidemark.yaml");
  EXPECT_THAT(errors(), HasSubstr("tidemark new adtech my-project"));
  write("tidemark.yml", "project: demo\n");
  EXPECT_THAT(errors(), HasSubstr("mv tidemark.yml tidemark.yaml"));
  EXPECT_THAT(render(load_project(root_ / "nothing").errors), HasSubstr("there is no such directory"));
}

TEST_F(ProjectTest, SyntaxErrorsHaveAPlace) {
  write("tidemark.yaml", "project: demo\nhttp: { listen: 127.0.0.1:1\n");
  EXPECT_THAT(errors(), HasSubstr("tidemark.yaml:3:1: not valid YAML"));
  write("tidemark.yaml", "project: demo\nhttp:\n\tlisten: 127.0.0.1:1\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("tidemark.yaml:3:"));
  EXPECT_THAT(text, HasSubstr("Indent with spaces; YAML does not allow tabs."));
  write("tidemark.yaml", "project: demo\nproject: other\n");
  EXPECT_EQ(errors(),
            "tidemark.yaml:2:1: `project` is given twice; first in line 1\n  project: other\n  ^\n  Keep one "
            "of them.\n");
  write("tidemark.yaml", "project: demo\n---\nproject: other\n");
  EXPECT_THAT(errors(), HasSubstr("a second document in the file"));
}

TEST_F(ProjectTest, WrongTypesAndEmptyValues) {
  write("tidemark.yaml", "project: [demo]\nwarehouse: here\nhttp:\n  listen:\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("tidemark.yaml:1:10: `project` must be text, and this is a list"));
  EXPECT_THAT(
      text,
      HasSubstr("tidemark.yaml:2:12: `warehouse` must be a mapping of keys to values, and this is text"));
  EXPECT_THAT(text, HasSubstr("`listen` has no value"));
  write("tidemark.yaml", "- a\n- b\n");
  EXPECT_THAT(
      errors(),
      HasSubstr("tidemark.yaml:1:1: a project must be a mapping of keys to values, and this is a list"));
  write("tidemark.yaml", "");
  EXPECT_THAT(errors(), HasSubstr("a project must be a mapping of keys to values, and this is empty"));
}

TEST_F(ProjectTest, PortsAreChecked) {
  write("tidemark.yaml", "project: demo\nwarehouse: { embedded: { http_port: 70000, tcp_port: many } }\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("tidemark.yaml:2:37: `http_port` must be between 0 and 65535, not 70000"));
  EXPECT_THAT(text, HasSubstr("tidemark.yaml:2:54: `tcp_port` must be a whole number, not `many`"));
  write("tidemark.yaml", "project: demo\nhttp: { listen: 127.0.0.1:8123 }\n");
  EXPECT_THAT(errors(), HasSubstr("port 8123 is the embedded ClickHouse's"));
}

TEST_F(ProjectTest, ByteOrderMarkAndCarriageReturnsDoNotMatter) {
  write("tidemark.yaml", "\xEF\xBB\xBFproject: demo\r\nhttp:\r\n  listn: x\r\n");
  EXPECT_THAT(errors(), HasSubstr("tidemark.yaml:3:3: unknown key `listn`"));
  EXPECT_THAT(errors(), testing::Not(HasSubstr("\r")));
  write("tidemark.yaml", "\xEF\xBB\xBFproject: demo\r\n");
  write("models/analytics/m.sql", "\xEF\xBB\xBF-- kind: view\r\n-- description: d\r\nSELECT 1 AS a\r\n");
  LoadedProject loaded = load();
  ASSERT_THAT(loaded.errors, IsEmpty()) << render(loaded.errors);
  EXPECT_EQ(loaded.project.models[0].sql, "SELECT 1 AS a");
  EXPECT_EQ(loaded.project.models[0].description, "d");
  EXPECT_EQ(loaded.project.models[0].sql_first_line, 3);
}

TEST_F(ProjectTest, NotUtf8IsRefusedWithoutShowingIt) {
  write("tidemark.yaml", "project: demo\n# caf\xE9\n");
  EXPECT_EQ(errors(), "tidemark.yaml:2:6: the file is not valid UTF-8 here\n  Save the file as UTF-8.\n");
}

TEST_F(ProjectTest, NumberLikeTextStaysText) {
  write("sources/a.yaml",
        "source: a\npostgres:\n  url: 0x10\n  tables: [007, 1e3, true]\n  slot: \"0123\"\n");
  LoadedProject loaded = load();
  ASSERT_THAT(loaded.errors, IsEmpty()) << render(loaded.errors);
  EXPECT_THAT(loaded.project.sources[0].tables, ElementsAre("007", "1e3", "true"));
  EXPECT_EQ(loaded.project.sources[0].slot, "0123");
  EXPECT_EQ(loaded.project.sources[0].publication, "0123") << "it follows the slot";
  EXPECT_EQ(loaded.project.sources[0].url.reveal(), "0x10");
}

TEST_F(ProjectTest, AliasesAreBounded) {
  std::string text = "project: demo\na: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'j'; ++c)
    text += std::string(1, c) + ": &" + c + " [*" + char(c - 1) + ", *" + char(c - 1) + ", *" + char(c - 1) +
            ", *" + char(c - 1) + ", *" + char(c - 1) + ", *" + char(c - 1) + "]\n";
  write("tidemark.yaml", text);
  EXPECT_THAT(errors(), HasSubstr("more than 100000 values in one file"));
  write("tidemark.yaml", "project: &p [*p]\n");
  EXPECT_THAT(errors(), HasSubstr("an alias cannot stand inside what it stands for"));
  write("tidemark.yaml", "project: " + std::string(5000, '['));
  EXPECT_THAT(load().errors, SizeIs(testing::Ge(1U)));
}

TEST_F(ProjectTest, SourcesReadOptionsAndDefaults) {
  write("sources/ads.yaml",
        "source: ads\npostgres:\n  url: postgresql://localhost/ads\n  tables:\n    - advertiser\n"
        "    - { table: impressions, append_only: true, exclude: [ssn], order_by: [campaign_id, id] }\n"
        "  options:\n    - { table: advertiser, history: true, dropped_columns: drop, columns: [id, name], "
        "where: \"region = 'eu'\" "
        "}\n");
  LoadedProject loaded = load();
  ASSERT_THAT(loaded.errors, IsEmpty()) << render(loaded.errors);
  const PostgresSource& source = loaded.project.sources[0];
  EXPECT_EQ(source.slot, "tidemark_ads");
  EXPECT_EQ(source.publication, "tidemark_ads");
  EXPECT_THAT(source.tables, ElementsAre("advertiser", "impressions"));
  ASSERT_THAT(source.options, SizeIs(2));
  EXPECT_TRUE(source.options[0].append_only);
  EXPECT_THAT(source.options[0].order_by, ElementsAre("campaign_id", "id"));
  EXPECT_THAT(source.options[0].exclude, ElementsAre("ssn"));
  EXPECT_TRUE(source.options[1].history);
  EXPECT_TRUE(source.options[1].drop_columns);
  EXPECT_THAT(source.options[1].columns, ElementsAre("id", "name"));
  EXPECT_EQ(source.options[1].row_filter, "region = 'eu'");
  EXPECT_EQ(source.where.describe(), "sources/ads.yaml:1:9");
}

TEST_F(ProjectTest, SourcesAreChecked) {
  write("sources/a.yaml",
        "source: a\npostgres:\n  url: x\n  mode: cdc\n  batch: { every: 5m }\n  tables: [t, t, impressions]\n"
        "  slot: Bad-Slot\n  options: [{ table: impresions, append_only: maybe }]\n");
  write("sources/b.yaml", "source: a\npostgres: { url: y, tables: [t], slot: ok }\n");
  write("sources/c.yaml", "source: c\nfiles: {}\n");
  write("sources/d.yaml", "source: D-1\npostgres: { tables: [] }\n");
  write(
      "sources/e.yaml",
      "source: e\npostgres:\n  url: z\n  tables: [{ table: t, columns: [a], exclude: [b], where: \" \" }]\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("sources/a.yaml:5:10: `batch` belongs to `mode: batch`"));
  EXPECT_THAT(text, HasSubstr("`columns` says which columns are read, so `exclude` has nothing to say"));
  EXPECT_THAT(text, HasSubstr("`where` is empty"));
  EXPECT_THAT(text, HasSubstr("sources/a.yaml:6:15: `tables` names `t` twice"));
  EXPECT_THAT(text, HasSubstr("sources/a.yaml:7:9: `Bad-Slot` cannot be the name of a replication slot"));
  EXPECT_THAT(text, HasSubstr("sources/a.yaml:8:13: options for `impresions`, which is not in `tables` (did "
                              "you mean `impressions`?)"));
  EXPECT_THAT(text, HasSubstr("`append_only` must be true or false, not `maybe`"));
  EXPECT_THAT(text,
              HasSubstr("sources/b.yaml:1:9: the source `a` is declared already in sources/a.yaml:1:9"));
  EXPECT_THAT(text, HasSubstr("sources/c.yaml:2:8: sources of kind `files` are not yet supported"));
  EXPECT_THAT(text, HasSubstr("sources/d.yaml:1:9: `D-1` cannot be the name of a source"));
  EXPECT_THAT(text, HasSubstr("`postgres` needs the key `url`"));
  EXPECT_THAT(text, HasSubstr("`tables` is empty"));
}

TEST_F(ProjectTest, BatchSourcesSayHowTheirTablesAreLoaded) {
  write("sources/a.yaml",
        "source: a\npostgres:\n  url: x\n  mode: batch\n"
        "  batch: { every: 2m, cursor: updated_at, overlap: 30s, deletes: { every: 6h } }\n"
        "  tables:\n    - t\n"
        "    - { table: u, cursor: [version, id], overlap: 100, deletes: { compare: rows } }\n"
        "    - { table: v, cursor: [] }\n");
  LoadedProject loaded = load();
  ASSERT_THAT(loaded.errors, IsEmpty()) << render(loaded.errors);
  const PostgresSource& source = loaded.project.sources.at(0);
  EXPECT_EQ(source.mode, PostgresSource::Mode::batch);
  EXPECT_EQ(source.batch.every_seconds, 120);
  EXPECT_EQ(source.batch.cursor, std::vector<std::string>{"updated_at"});
  EXPECT_EQ(source.batch.overlap, "30s");
  EXPECT_EQ(source.batch.deletes_every_seconds, 6 * 3600);
  ASSERT_THAT(source.options, SizeIs(2));
  EXPECT_EQ(source.options[0].batch.cursor, (std::vector<std::string>{"version", "id"}));
  EXPECT_EQ(source.options[0].batch.overlap, "100");
  EXPECT_EQ(source.options[0].batch.compare_rows, true);
  EXPECT_FALSE(source.options[0].batch.every_seconds.has_value());
  EXPECT_EQ(source.options[1].batch.cursor, std::vector<std::string>{});
}

TEST_F(ProjectTest, BatchSourcesAreChecked) {
  write("sources/a.yaml",
        "source: a\npostgres:\n  url: x\n  mode: batch\n  slot: s\n"
        "  batch: { every: soon, overlap: some, deletes: { compare: all }, cursr: a }\n  tables: [t]\n");
  write("sources/b.yaml", "source: b\npostgres:\n  url: x\n  tables:\n    - { table: u, cursor: id }\n");
  write("sources/c.yaml",
        "source: c\npostgres: { url: x, mode: batch, batch: { every: 0s }, tables: [w] }\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("sources/a.yaml:5:9: `slot` belongs to `mode: cdc`"));
  EXPECT_THAT(text, HasSubstr("sources/a.yaml:6:19: "));
  EXPECT_THAT(text, HasSubstr("sources/a.yaml:6:34: `some` is neither a duration nor a number"));
  EXPECT_THAT(text, HasSubstr("sources/a.yaml:6:60: `compare` cannot be `all`"));
  EXPECT_THAT(text, HasSubstr("cursr"));
  EXPECT_THAT(text, HasSubstr("sources/c.yaml:2:50: `every` is at least a second"));
  EXPECT_THAT(text, HasSubstr("sources/b.yaml:5:7: `every`, `cursor`, `overlap` and `deletes` of `u` belong "
                              "to `mode: batch`"));
}

TEST_F(ProjectTest, OneTableBelongsToOneSource) {
  write("sources/a.yaml", "source: a\npostgres: { url: x, tables: [t, shop.u] }\n");
  write("sources/b.yaml", "source: b\npostgres: { url: y, tables: [public.t, 'shop.*'] }\n");
  EXPECT_THAT(errors(), HasSubstr("the table `public.t` is mirrored by the source `a` already"));
}

TEST_F(ProjectTest, UnsetVariableIsAnErrorAtItsPlaceAndAWarningOffline) {
  unsetenv("TIDEMARK_TEST_UNSET");
  write("sources/a.yaml",
        "source: a\npostgres:\n  url: postgresql://u:${env:TIDEMARK_TEST_UNSET}@h/d\n  tables: [t]\n");
  EXPECT_EQ(errors(),
            "sources/a.yaml:3:23: the environment variable TIDEMARK_TEST_UNSET is not set\n"
            "    url: postgresql://u:${env:TIDEMARK_TEST_UNSET}@h/d\n"
            "                        ^\n"
            "  Set it, for example: export TIDEMARK_TEST_UNSET=...\n");
  LoadedProject offline = load(true);
  EXPECT_THAT(offline.errors, IsEmpty()) << render(offline.errors);
  EXPECT_THAT(offline.warnings, SizeIs(1));
  EXPECT_TRUE(offline.project.sources[0].url.empty());
}

TEST_F(ProjectTest, EnvironmentAndFilesAreFilledInAndNeverShown) {
  setenv("TIDEMARK_TEST_SECRET", "hunter2${env:HOME}", 1);
  write("secrets/password", "from-file\n");
  write("sources/a.yaml",
        "source: a\npostgres:\n  url: a${env:TIDEMARK_TEST_SECRET}b${file:secrets/password}c$${env:X}\n  "
        "tables: [t]\n"
        "  slot: ${env:TIDEMARK_TEST_SECRET}\n");
  LoadedProject loaded = load();
  EXPECT_EQ(loaded.project.sources[0].url.reveal(), "ahunter2${env:HOME}bfrom-filec${env:X}");
  write("tidemark.yaml", "project: demo\nhttp: { listen: '${env:TIDEMARK_TEST_SECRET}' }\n");
  EXPECT_THAT(errors(), HasSubstr("must be host:port, not `${env:TIDEMARK_TEST_SECRET}`"));
  EXPECT_THAT(errors(), testing::Not(HasSubstr("hunter2")));
  write("tidemark.yaml", "project: demo\nwarehouse: { url: 'http://h', password: '${vault:x}' }\n");
  EXPECT_THAT(errors(), HasSubstr("`${vault:x}` is not known"));
  write("tidemark.yaml", "project: demo\nwarehouse: { url: 'http://h', password: '${env:X' }\n");
  EXPECT_THAT(errors(), HasSubstr("`${` without its `}`"));
  unsetenv("TIDEMARK_TEST_SECRET");
}

TEST_F(ProjectTest, ModelsReadTheirHeader) {
  write("models/analytics/daily.sql",
        "-- models/analytics/daily.sql\n-- See https://example.org: it says why.\n-- kind: incremental\n"
        "-- description: clicks: by day\n-- owner: growth@example.com\n-- key: (campaign_id, day)\n-- "
        "order_by: cityHash64(a, b), day\n"
        "-- partition_by: toYYYYMM(day)\n-- audit: not_null(campaign_id), unique(a, b)\n-- audit: "
        "row_count(min=1)\n\n"
        "SELECT '; -- no' AS a, /* ; */ `;` AS b\nFROM bronze.clicks ; -- end\n");
  LoadedProject loaded = load();
  ASSERT_THAT(loaded.errors, IsEmpty()) << render(loaded.errors);
  const ModelFile& model = loaded.project.models[0];
  EXPECT_EQ(model.full_name(), "analytics.daily");
  EXPECT_EQ(model.kind, "incremental");
  EXPECT_EQ(model.description, "clicks: by day");
  EXPECT_EQ(model_owner(loaded.project.root, model.file), "growth@example.com");
  EXPECT_EQ(model_owner(loaded.project.root, "models/analytics/none.sql"), "");
  EXPECT_THAT(model.key, ElementsAre("campaign_id", "day"));
  EXPECT_THAT(model.order_by, ElementsAre("cityHash64(a, b)", "day"));
  std::vector<std::string> audits;
  for (const AuditLine& line : model.audits) audits.push_back(line.call);
  EXPECT_THAT(audits, ElementsAre("not_null(campaign_id)", "unique(a, b)", "row_count(min=1)"));
  EXPECT_EQ(model.sql, "SELECT '; -- no' AS a, /* ; */ `;` AS b\nFROM bronze.clicks");
  EXPECT_EQ(model.sql_first_line, 12);
  EXPECT_EQ(model.location_in_sql(2, 6).describe(), "models/analytics/daily.sql:13:6");
  EXPECT_EQ(model.header_locations.at("kind").describe(), "models/analytics/daily.sql:3:10");
}

TEST_F(ProjectTest, ModelsAreChecked) {
  write("models/loose.sql", "SELECT 1\n");
  write("models/analytics/deep/er.sql", "SELECT 1\n");
  write("models/bronze/x.sql", "SELECT 1\n");
  write("models/analytics/a-b.sql", "SELECT 1\n");
  write("models/analytics/a__b.sql", "SELECT 1\n");
  write("models/analytics/empty.sql", "-- kind: view\n-- only comments\n");
  write("models/analytics/two.sql", "SELECT 1;\nSELECT 2\n");
  write("models/analytics/open.sql", "SELECT 'abc\n");
  write("models/analytics/ddl.sql", "CREATE TABLE x (a Int8)\n");
  write("models/analytics/keyed.sql", "-- kind: keyed\nSELECT 1 AS a\n");
  write("models/analytics/ttl.sql", "-- ttl: day + 1\nSELECT 1 AS a\n");
  write("models/analytics/refresh.sql", "-- kind: refresh\nSELECT 1 AS a\n");
  write("models/analytics/twice.sql", "-- kind: view\n-- kind: view\nSELECT 1 AS a\n");
  write("models/analytics/audit.sql", "-- audit: not_null\nSELECT {x:Int8} AS a\n");
  std::string text = errors();
  EXPECT_THAT(text,
              HasSubstr("models/loose.sql: a model's place is its name, and this one is in the wrong place"));
  EXPECT_THAT(text, HasSubstr("models/analytics/deep/er.sql: a model's place is its name"));
  EXPECT_THAT(text, HasSubstr("models/bronze/x.sql: the database `bronze` is not for models"));
  EXPECT_THAT(text, HasSubstr("models/analytics/a-b.sql: `a-b` cannot be the name of a model"));
  EXPECT_THAT(text, HasSubstr("models/analytics/a__b.sql: `a__b` cannot be the name of a model"));
  EXPECT_THAT(text, HasSubstr("models/analytics/empty.sql:3: the file holds no SQL"));
  EXPECT_THAT(text, HasSubstr("models/analytics/two.sql:2:1: a second statement"));
  EXPECT_THAT(text, HasSubstr("models/analytics/open.sql:1:8: a quote that does not end"));
  EXPECT_THAT(text, HasSubstr("models/analytics/ddl.sql:1:1: the SQL must be one SELECT"));
  EXPECT_THAT(text,
              HasSubstr("models/analytics/keyed.sql:1:10: a keyed model needs the columns that name a row"));
  EXPECT_THAT(text, HasSubstr("models/analytics/ttl.sql:1:9: `ttl` has no meaning for a view"));
  EXPECT_THAT(text, HasSubstr("models/analytics/refresh.sql:1:10: a refresh model needs to know when"));
  EXPECT_THAT(text, HasSubstr("models/analytics/twice.sql:2:4: `kind` is given twice; first in line 1"));
  EXPECT_THAT(text, HasSubstr("models/analytics/audit.sql:1:11: `not_null` is not an audit"));
  EXPECT_THAT(
      text,
      HasSubstr("models/analytics/audit.sql:2:8: a model has no parameters, and this is one: {x:Int8}"));
  EXPECT_THAT(load().errors, SizeIs(15)) << text;
}

TEST_F(ProjectTest, DashboardsReadTiles) {
  write("models/analytics/ctr.sql", "SELECT 1 AS a\n");
  write(
      "dashboards/d.yaml",
      "dashboard: d\ntitle: D\ntime: { default: last 24 hours, presets: [today, last 7 days], zone: "
      "Europe/Berlin }\n"
      "filters:\n  - { filter: campaign, sql: SELECT name FROM analytics.ctr }\ntiles:\n"
      "  - { title: A, chart: line, x: day, y: [a, b], model: analytics.ctr, limit: 100 }\n"
      "  - { title: B, chart: top, x: name, y: n, model: analytics.ctr }\n"
      "  - title: C\n    chart: table\n    sql: |\n      SELECT *\n      FROM analytics.ctr;\n"
      "    columns: [a, { column: b, format: percent, decimals: 1, bar: true, tones: [{ above: 0.5, tone: "
      "bad }] }]\n"
      "  - title: D\n    chart: bar\n    x: day\n    y: n\n"
      "    sql: SELECT day, count() AS n FROM t WHERE day >= {from:Date} AND day < {to:Date} AND "
      "has({campaign:Array(String)}, name) GROUP BY day\n"
      "    drill: { sql: 'SELECT * FROM t WHERE day = {day:Date} AND has({campaign:Array(String)}, name)' }\n"
      "  - { title: E, chart: text, text: '**Read** me' }\n");
  LoadedProject loaded = load();
  ASSERT_THAT(loaded.errors, IsEmpty()) << render(loaded.errors);
  const Dashboard& dashboard = loaded.project.dashboards[0];
  EXPECT_EQ(dashboard.time.range.seconds, 86400);
  EXPECT_EQ(dashboard.time.presets, (std::vector<std::string>{"last day", "last 7 days"}));
  EXPECT_EQ(dashboard.filters[0].column, "campaign");
  ASSERT_THAT(dashboard.tiles, SizeIs(5));
  EXPECT_EQ(dashboard.tiles[2].columns[1].tones[0].tone, "bad");
  EXPECT_EQ(dashboard.tiles[3].parameters,
            (std::vector<TileParameter>{{"from", "Date"}, {"to", "Date"}, {"campaign", "Array(String)"}}));
  EXPECT_EQ(dashboard.tiles[3].drill.parameters[0], (TileParameter{"day", "Date"}));
  EXPECT_EQ(dashboard.tiles[4].query, "");
  EXPECT_EQ(dashboard.tiles[0].query,
            "SELECT `day`, `a`, `b` FROM `analytics`.`ctr` ORDER BY `day` LIMIT 100");
  EXPECT_EQ(dashboard.tiles[1].query, "SELECT `name`, `n` FROM `analytics`.`ctr` ORDER BY `n` DESC LIMIT 10");
  EXPECT_EQ(dashboard.tiles[2].query, "SELECT *\nFROM analytics.ctr");
  EXPECT_TRUE(dashboard.tiles[2].columns[1].bar);
  EXPECT_EQ(dashboard.tiles[2].columns[1].decimals, 1);
}

TEST_F(ProjectTest, DashboardsAreChecked) {
  write("models/analytics/ctr.sql", "SELECT 1 AS a\n");
  write("dashboards/d.yaml",
        "dashboard: d\ntime: yesterday\ntiles:\n"
        "  - { title: A, chart: line, sql: SELECT 1 }\n"
        "  - { title: B, chart: number, model: analytics.crt, y: a }\n"
        "  - { title: C, chart: table }\n"
        "  - { title: D, chart: table, sql: SELECT 1, model: analytics.ctr }\n"
        "  - { title: E, chart: number, sql: DELETE, stacked: true, width: 13 }\n");
  write("dashboards/e.yaml", "dashboard: d\ntiles: []\n");
  write("dashboards/f.yaml",
        "dashboard: f\nfilters:\n  - { filter: country }\n  - { filter: tile }\n  - { filter: plan, type: "
        "Array(String) }\ntiles:\n"
        "  - { title: A, chart: table, sql: 'SELECT {from:Date}' }\n"
        "  - { title: B, chart: table, sql: 'SELECT {cuntry:Array(String)}' }\n"
        "  - { title: C, chart: table, sql: 'SELECT {country:String}' }\n"
        "  - { title: D, chart: text }\n"
        "  - { title: G, chart: table, sql: 'SELECT {zone:String}, {zone:FixedString(3)}' }\n"
        "  - { title: E, chart: heatmap, x: a, y: b, sql: SELECT 1, drill: { title: x } }\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("dashboards/d.yaml:2:7: `yesterday` is not a range of time"));
  EXPECT_THAT(text, HasSubstr("dashboards/d.yaml:4:5: a line needs the key `x`"));
  EXPECT_THAT(text, HasSubstr("there is no model `analytics.crt` (did you mean `analytics.ctr`?)"));
  EXPECT_THAT(text, HasSubstr("dashboards/d.yaml:6:5: a tile needs `sql` (a SELECT) or `model`"));
  EXPECT_THAT(text, HasSubstr("a tile has either `sql` or `model`, and this one has both"));
  EXPECT_THAT(text, HasSubstr("`sql`: the SQL must be one SELECT"));
  EXPECT_THAT(text, HasSubstr("`stacked` has no meaning for chart: number"));
  EXPECT_THAT(text, HasSubstr("`width` must be between 1 and 12, not 13"));
  EXPECT_THAT(
      text,
      HasSubstr("dashboards/e.yaml:1:12: the dashboard `d` is declared already in dashboards/d.yaml:1:12"));
  EXPECT_THAT(text, HasSubstr("`tiles` is empty"));
  EXPECT_THAT(text, HasSubstr("`tile` means something else in a dashboard's address"));
  EXPECT_THAT(text, HasSubstr("a filter cannot be of type `Array(String)`"));
  EXPECT_THAT(text, HasSubstr("dashboards/f.yaml:7:5: `from` is of the dashboard's time, and it has none"));
  EXPECT_THAT(text, HasSubstr("there is no parameter `cuntry` (did you mean `country`?)"));
  EXPECT_THAT(text, HasSubstr("`country` is not String"));
  EXPECT_THAT(text, HasSubstr("a text needs the key `text`"));
  EXPECT_THAT(text, HasSubstr("`zone` is used as String and as FixedString(3) in one query"));
  EXPECT_THAT(text, HasSubstr("a heatmap needs the key `series`"));
}

TEST(TimeRanges, AreReadInOneWayOfWriting) {
  using Kind = TimeRange::Kind;
  for (auto [text, kind, same] : std::vector<std::tuple<const char*, Kind, const char*>>{
           {"all", Kind::all, "all"},
           {"last hour", Kind::rolling, "last hour"},
           {"last 1 hours", Kind::rolling, "last hour"},
           {"today", Kind::days, "last day"},
           {"last 2 weeks", Kind::days, "last 2 weeks"},
           {"2026-11-01..2026-11-07", Kind::fixed_days, "2026-11-01..2026-11-07"},
           {"2026-11-01T10:00..2026-11-01T12:30", Kind::fixed, "2026-11-01T10:00:00..2026-11-01T12:30:00"}}) {
    auto range = parse_time_range(text);
    ASSERT_TRUE(range) << text;
    EXPECT_EQ(range->kind, kind) << text;
    EXPECT_EQ(range->text, same);
    EXPECT_EQ(parse_time_range(range->text)->text, range->text);
  }
  EXPECT_EQ(parse_time_range("last 2 weeks")->days, 14);
  EXPECT_EQ(parse_time_range("2026-11-01..2026-11-07")->days, 7);
  for (const char* text :
       {"", "yesterday", "last", "last 0 days", "last -1 days", "last 7", "last 99999999 days",
        "2026-11-07..2026-11-01", "2026-02-30..2026-03-01", "2026-11-01..", "..",
        "2026-11-01T25:00..2026-11-02", "2026-11-01T10:00..2026-11-01T10:00", "1..2"})
    EXPECT_FALSE(parse_time_range(text)) << text;
}

TEST_F(ProjectTest, EndpointsReadParameters) {
  write("endpoints/campaign.sql",
        "-- description: one campaign\n-- param campaign_id UInt32 required min=1 \"The campaign\"\n"
        "-- param names Array(String, 1) default=[]\nSELECT {campaign_id:UInt32}, { names : Array(String, 1) "
        "}, "
        "'{no:UInt8}', {'a': 1}\n");
  LoadedProject loaded = load();
  ASSERT_THAT(loaded.errors, IsEmpty()) << render(loaded.errors);
  const EndpointFile& endpoint = loaded.project.endpoints[0];
  ASSERT_THAT(endpoint.parameters, SizeIs(2));
  EXPECT_TRUE(endpoint.parameters[0].required);
  EXPECT_EQ(endpoint.parameters[0].minimum, 1);
  EXPECT_EQ(endpoint.parameters[0].description, "The campaign");
  EXPECT_EQ(endpoint.parameters[1].type, "Array(String, 1)");
  EXPECT_EQ(endpoint.parameters[1].default_value, "[]");
}

TEST_F(ProjectTest, EndpointsAreChecked) {
  write("endpoints/e.sql",
        "-- kind: view\n-- param id UInt32\n-- param id UInt32 required\n-- param unused String default=x\n"
        "-- param d UInt8 requird\n-- param\nSELECT {id:UInt64}, {idd:UInt32}, {d:UInt8}\n");
  std::string text = errors();
  EXPECT_THAT(text, HasSubstr("endpoints/e.sql:1:4: unknown key `kind` in an endpoint's header"));
  EXPECT_THAT(text, HasSubstr("endpoints/e.sql:2:10: `id` is neither required nor has a default"));
  EXPECT_THAT(text, HasSubstr("endpoints/e.sql:3:10: the parameter `id` is declared twice"));
  EXPECT_THAT(text, HasSubstr("the parameter `unused` is not used in the SQL"));
  EXPECT_THAT(text, HasSubstr("`requird` is not known in a parameter (did you mean `required`?)"));
  EXPECT_THAT(text, HasSubstr("a parameter needs a name and a type"));
  EXPECT_THAT(text, HasSubstr("`id` is declared as UInt32 and used as UInt64"));
  EXPECT_THAT(text, HasSubstr("the parameter `idd` is not declared (did you mean `id`?)"));
}

TEST_F(ProjectTest, WhatIsNotReadIsSaid) {
  write("segments/s.yaml", "segment: s\n");        // read elsewhere: no warning
  write("experiments/a.yaml", "experiment: a\n");  // the same
  write("model/x.sql", "SELECT 1\n");
  write("models/analytics/query.txt", "\n");
  write("models/analytics/query.sq", "\n");
  write("data/x", "\n");
  std::string text = warnings();
  EXPECT_THAT(text, HasSubstr("model: the folder is not read (did you mean `models`?)"));
  EXPECT_THAT(text, HasSubstr("models/analytics/query.sq: the file is not read"));
  EXPECT_THAT(load().warnings, SizeIs(2)) << text;
  EXPECT_THAT(load().errors, IsEmpty());
}

TEST(Packs, TheAdtechPackIsAValidProject) {
  LoadedProject loaded = load_project(std::string(TIDEMARK_SOURCE_DIR) + "/packs/adtech", {.offline = true});
  EXPECT_THAT(loaded.errors, IsEmpty()) << render(loaded.errors);
  EXPECT_THAT(loaded.project.models, SizeIs(testing::Ge(10U)));
}

}  // namespace
}  // namespace tidemark::config
