// The program's table of contents: every verb, one line each, in the order --help shows them.
#include "cli/load_verb.h"
#include "cli/notification_verbs.h"
#include "cli/profile_verbs.h"
#include "cli/verb.h"

int main(int argc, char** argv) {
  using namespace tidemark::cli;
  return run_program(
      argc, argv,
      {
          {"new", "write a project from a pack, or for a Postgres",
           "tidemark new --from \"$DATABASE_URL\" my-project", add_new},
          {"check", "find every mistake in a project, offline", "tidemark check", add_check},
          {"plan", "what apply would change in the warehouse", "tidemark plan", add_plan},
          {"apply", "make the warehouse's models those of the project", "tidemark apply", add_apply},
          {"backfill", "fill a model anew beside the one there is", "tidemark backfill analytics.orders",
           add_backfill},
          {"rollback", "the version of a model before, at once", "tidemark rollback analytics.orders",
           add_rollback},
          {"up", "run the project until told to stop", "tidemark up", add_up},
          {"demo", "see it live: private Postgres, traffic, page", "tidemark demo", add_demo},
          {"status", "what runs and how far it is behind", "tidemark status --json", add_status},
          {"verify", "prove every table and model against its source", "tidemark verify", add_verify},
          {"resync", "bring tables back from their source, while everything goes on",
           "tidemark resync orders", add_resync},
          {"explain", "what a model became, why it is right, where a row came from",
           "tidemark explain model analytics.mv_campaign_ctr --row campaign_id=7", add_explain},
          {"audit", "ask every audit now", "tidemark audit analytics.mv_campaign_ctr", add_audit},
          {"refresh", "recompute refresh models now", "tidemark refresh analytics.top_campaigns",
           add_refresh},
          {"profile", "who somebody is, and everything that is known of them",
           "tidemark profile show email:ann@example.com", add_profile},
          {"segment", "what segments mean and who is in them", "tidemark segment preview high_fit",
           add_segment},
          {"alerts", "numbers that are watched: list, history", "tidemark alerts list", add_alerts},
          {"destination", "where notifications go: list, test, resume, replay", "tidemark destination list",
           add_destination},
          {"deadletter", "notifications that were given up: list, retry, drop", "tidemark deadletter list",
           add_deadletter},
          {"link", "signed, read-only links to dashboards: make, list, revoke",
           "tidemark link dashboards/overview --expires 7d --filter campaign=7", add_link},
          {"doctor", "everything that could be wrong, with its remedy", "tidemark doctor", add_doctor},
          {"generate", "write realistic load into Postgres", "tidemark generate adtech --rows 1000000",
           add_generate},
          {"load", "load files into tables that people write to",
           "tidemark load orders.csv.gz --into shop.orders", add_load},
          {"sql", "run a query in the project's warehouse",
           "tidemark sql \"SELECT count() FROM bronze.clicks\"", add_sql},
          {"experiment", "what experiments say: values, lifts, intervals, what to do",
           "tidemark experiment report checkout", add_experiment},
          {"stats", "the statistics of experiments as a calculator", "tidemark stats < requests.jsonl",
           add_stats},
          {"version", "what this program is made of", "tidemark version --json", add_version},
      });
}
