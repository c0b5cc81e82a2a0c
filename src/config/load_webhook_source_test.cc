#include "config/project.h"
#include "config/webhook_source.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>

namespace tidemark::config {
namespace {

using testing::HasSubstr;

class WebhookSourceTest : public testing::Test {
 protected:
  WebhookSourceTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidemark-webhook-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    write("tidemark.yaml", "project: shop\n");
  }
  ~WebhookSourceTest() override { std::filesystem::remove_all(root_); }
  void write(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::filesystem::path root_;
};

TEST_F(WebhookSourceTest, ReadsEverything) {
  write(
      "sources/shop.yaml",
      "source: shop\nwebhook:\n  from: shopify\n  secrets: [0123456789abcdef, { name: old, key: fedcba98 }]\n"
      "  spool: { max: 10 MiB }\n");
  write("sources/web.yaml",
        "source: web\nwebhook: { from: ga4, table: hits, secrets: \"${env:NOBODY_SETS_THIS:-}\" }\n");
  LoadedProject loaded = load_project(root_);
  ASSERT_TRUE(loaded.ok()) << render(loaded.errors);
  auto sources = load_webhook_sources(root_);
  ASSERT_TRUE(sources) << sources.error().describe();
  ASSERT_EQ(sources->size(), 2u);
  const WebhookSource& shop = sources->at(0);
  EXPECT_EQ(shop.from, WebhookSender::shopify);
  EXPECT_EQ(shop.path(), "/webhooks/shop");
  EXPECT_EQ(shop.events.table, "shop_webhooks");
  EXPECT_EQ(shop.events.write_keys.at(1).name, "old");
  EXPECT_EQ(shop.events.write_keys.at(1).key.reveal(), "fedcba98");
  EXPECT_EQ(shop.events.spool_bytes_max, 10u << 20);
  EXPECT_EQ(shop.events.spool, root_ / "data/spool/shop");
  const WebhookSource& web = sources->at(1);
  EXPECT_EQ(web.path(), "/mp/collect");
  EXPECT_EQ(web.events.table, "hits");
  ASSERT_EQ(loaded.warnings.size(), 1u);
  EXPECT_THAT(loaded.warnings[0].message, HasSubstr("there is no secret"));
}

TEST_F(WebhookSourceTest, EveryMistakeIsReported) {
  write("sources/a.yaml",
        "source: a\nwebhook: { from: shopfy, secrets: [short], tables: [], table: \"no name\" }\n");
  write("sources/b.yaml", "source: b\nwebhook: { secrets: 0123456789, table: t }\n");
  write("sources/c.yaml", "source: c\nwebhook: { from: ga4, secrets: 1234567890, table: t }\n");
  write("sources/d.yaml", "source: d\nwebhook: { from: ga4, secrets: 0123456789 }\n");
  write("sources/e.yaml", "source: e\nwebhook: { from: klaviyo }\n");
  std::string text = render(load_project(root_).errors);
  EXPECT_THAT(text, HasSubstr("shopfy"));
  EXPECT_THAT(text, HasSubstr("8 to 512 characters"));
  EXPECT_THAT(text, HasSubstr("`tables`"));
  EXPECT_THAT(text, HasSubstr("`no name`"));
  EXPECT_THAT(text, HasSubstr("needs the key `from`"));
  EXPECT_THAT(text, HasSubstr("needs the key `secrets`"));
  EXPECT_THAT(text, HasSubstr("the table `t` belongs to the source `b` already"));
  EXPECT_THAT(text, HasSubstr("is one of `from: ga4`, too"));
  EXPECT_THAT(text, HasSubstr("is one of the source `b`, too"));
}

}  // namespace
}  // namespace tidemark::config
