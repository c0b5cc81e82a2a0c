#include "config/kafka_output.h"
#include "config/project.h"

#include <fstream>
#include <gmock/gmock.h>
#include <unistd.h>

namespace tidemark::config {
namespace {

using testing::HasSubstr;

class KafkaOutputTest : public testing::Test {
 protected:
  KafkaOutputTest() : root_(testing::TempDir() + "kafka_output_" + std::to_string(getpid())) {
    std::filesystem::create_directories(root_);
  }
  ~KafkaOutputTest() override { std::filesystem::remove_all(root_); }

  LoadedProject load(const std::string& settings) {
    std::ofstream(root_ / "tidemark.yaml") << "project: shop\n" << settings;
    return load_project(root_);
  }
  std::string errors(const std::string& settings) {
    std::string text;
    for (const auto& error : load(settings).errors) text += error.render() + "\n";
    return text;
  }

  std::filesystem::path root_;
};

TEST_F(KafkaOutputTest, WithoutItThereIsNone) {
  ASSERT_TRUE(load("").ok());
  auto output = load_kafka_output(root_);
  ASSERT_TRUE(output) << output.error().describe();
  EXPECT_FALSE(*output);
}

TEST_F(KafkaOutputTest, EverythingIsRead) {
  auto loaded = load(
      "kafka:\n  brokers: \"a:9092,b:9092\"\n  prefix: my.shop\n  schema: true\n  partitions: 12\n"
      "  replication: 3\n  settings: { sasl.password: secret }\n");
  ASSERT_TRUE(loaded.ok()) << render(loaded.errors);
  auto found = load_kafka_output(root_);
  ASSERT_TRUE(found && *found);
  const KafkaOutput& output = **found;
  EXPECT_EQ(output.brokers, "a:9092,b:9092");
  EXPECT_EQ(output.prefix, "my.shop");
  EXPECT_TRUE(output.schema);
  EXPECT_EQ(output.partitions, 12);
  EXPECT_EQ(output.replication, 3);
  EXPECT_EQ(output.settings.at("sasl.password").reveal(), "secret");
}

TEST_F(KafkaOutputTest, DefaultsAreTheProjectsNameAndTheBrokersChoice) {
  auto loaded = load("kafka: { brokers: \"a:9092\" }\n");
  ASSERT_TRUE(loaded.ok()) << render(loaded.errors);
  auto output = load_kafka_output(root_);
  ASSERT_TRUE(output && *output);
  EXPECT_EQ((*output)->prefix, "shop");
  EXPECT_EQ((*output)->partitions, -1);
  EXPECT_FALSE((*output)->schema);
}

TEST_F(KafkaOutputTest, MistakesAreNamed) {
  EXPECT_THAT(errors("kafka: { prefix: a }\n"), HasSubstr("`kafka` needs the key `brokers`"));
  EXPECT_THAT(errors("kafka: { brokers: a, prefix: \"a b\" }\n"),
              HasSubstr("`a b` cannot begin the name of a topic"));
  EXPECT_THAT(errors("kafka: { brokers: a, partitions: 0 }\n"), HasSubstr("partitions"));
  EXPECT_THAT(errors("kafka: { brokers: a, settings: { transactional.id: mine } }\n"),
              HasSubstr("`transactional.id` is not for a project to set"));
  EXPECT_THAT(errors("kafka: { brokers: a, brokrs: b }\n"), HasSubstr("brokrs"));
}

}  // namespace
}  // namespace tidemark::config
