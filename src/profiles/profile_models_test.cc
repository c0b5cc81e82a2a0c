// The wide row of a person: kept by the models' machinery over what the keeper keeps, equal to its recompute
// after every cut.
#include "profiles/profile_models.h"

#include "models/test_warehouse.h"
#include "profiles/test_profiles.h"

namespace tidemark::profiles {
namespace {

class ProfileModelsTest : public ProfilesTest {
 protected:
  // The tables, then the model over them.
  void begin(const std::string& yaml) {
    open(yaml);
    for (const char* database : {"cdp"}) run(fmt::format("DROP DATABASE IF EXISTS {} SYNC", database));
    auto lease = pool_.lease();
    auto files = profile_models(*lease, {keeper_->definition()});
    ASSERT_OK(files);
    auto compilation = models::compile(*lease, *files);
    ASSERT_OK(compilation);
    ASSERT_TRUE(compilation->ok()) << config::render(compilation->errors) << "\n" << files->front().sql;
    auto plan = models::compute_plan(*lease, compilation->models);
    ASSERT_OK(plan);
    ASSERT_OK(models::apply_plan(*lease, compilation->models, *plan, {}));
    runtime_ = std::make_unique<models::Runtime>(compilation->models);
    follow_ = [this](uint64_t step) {
      return runtime_->after_cut(*pool_.lease(), step, make_version(1, step, ordinal_max), keeper_->kept());
    };
  }
  void verified(const std::string& when) {
    proven(when);
    auto parities = models::verify_models(*pool_.lease(), runtime_->models());
    ASSERT_OK(parities);
    for (const auto& parity : *parities)
      EXPECT_EQ(parity.different, 0u) << when << ": " << fmt::format("{}", fmt::join(parity.examples, "\n"));
  }
  void identify(uint64_t cut, int64_t at, const std::string& user, const std::string& traits) {
    send(cut, {{.at = at, .user = user, .type = "identify", .other_traits = traits}});
    step(cut);
  }
  std::string traits() {
    return ask("SELECT traits FROM cdp.profiles WHERE user_id = '1' FORMAT TabSeparatedRaw");
  }

  std::unique_ptr<models::Runtime> runtime_;
};

TEST_F(ProfileModelsTest, TheNewestValueOfEachTraitWins) {
  begin(usual);
  identify(1, 10, "1", R"({"plan":"free","address":{"city":"Oslo","geo":{"lat":1.50}},"tags":["a"],"n":10})");
  EXPECT_EQ(traits(), R"({"address":{"city":"Oslo","geo":{"lat":1.5}},"n":10,"plan":"free","tags":["a"]})");
  // 50 ms later, and empty.
  identify(2, 60, "1", "{}");
  identify(3, 70, "1", R"({"plan":"pro","address":{"zip":"0150"}})");
  EXPECT_EQ(traits(),
            R"({"address":{"city":"Oslo","geo":{"lat":1.5},"zip":"0150"},"n":10,"plan":"pro","tags":["a"]})");
  // Late: older than what is there.
  identify(4, 20, "1", R"({"plan":"trial","old":true})");
  EXPECT_EQ(traits(),
            R"({"address":{"city":"Oslo","geo":{"lat":1.5},"zip":"0150"},"n":10,"old":true,"plan":"pro",)"
            R"("tags":["a"]})");
  // Cleared by null, by "", and by a value in the place of an object.
  identify(5, 80, "1", R"({"plan":null,"old":"","address":"gone","tags":[]})");
  EXPECT_EQ(traits(), R"({"address":"gone","n":10,"tags":[]})");
  identify(6, 90, "1",
           R"({"address":{"city":"Rome \"x\""},"a.b":{"c d":1},"deep":{"a":{"b":{"c":{"d":1}}}}})");
  EXPECT_EQ(traits(),
            R"({"a.b":{"c d":1},"address":{"city":"Rome \"x\""},"deep":{"a":{"b":{"c":{"d":1}}}},"n":10,)"
            R"("tags":[]})");
  verified("traits");
}

TEST_F(ProfileModelsTest, AMergeTakesTheAbsorbedRowAway) {
  begin(with_customers);
  send(1, {{.at = 10, .anonymous = "a"}, {.at = 20, .user = "7", .anonymous = "b", .email = "x@y.z"}});
  step(1);
  EXPECT_EQ(ask("SELECT count() FROM cdp.profiles"), "2");
  verified("two");
  send(2, {{.at = 30, .user = "7", .anonymous = "a"}});
  step(2);
  EXPECT_EQ(ask("SELECT profile_id, user_id, email, anonymous_id_all, events, "
                "toUnixTimestamp64Micro(first_seen), plan "
                "FROM cdp.profiles"),
            profile_id("anonymous_id:a") + "\t7\tx@y.z\t['a','b']\t3\t10\t\\N");
  verified("one");
  customer(3, 7, "x@y.z", "pro");
  step(3, {"customers"});
  EXPECT_EQ(ask("SELECT profile_id, plan FROM cdp.profiles"), profile_id("user_id:7") + "\tpro");
  verified("with a row");
}

}  // namespace
}  // namespace tidemark::profiles
