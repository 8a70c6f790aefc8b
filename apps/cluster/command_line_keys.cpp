// The commands about users' keys, and what runs while a key is held.
#include "command_line.hpp"
#include "options.hpp"

namespace cluster::app {
namespace {

void add_keys(CLI::App& app, KeyOptions& options, bool has_json = true) {
  app.add_option("--namespace", options.space,
                 "The namespace of the keys; without: the one that is there from the beginning");
  if (has_json) app.add_flag("--json", options.json, "For programs");
  add_client(app, options.client);
}

void add_put(CLI::App& kv, Chosen& chosen) {
  auto options = std::make_shared<PutKeyOptions>();
  CLI::App* app = kv.add_subcommand("put", "Put a value under a key");
  app->add_option("key", options->key, "1 to 4096 bytes")->required();
  app->add_option("value", options->value, "The value; -: what standard input holds")->required();
  add_duration(*app, "--lease", options->lease,
               "The key is deleted after so long, unless its lease is renewed; 0: never");
  CLI::Option* version = app->add_option_function<std::uint64_t>(
      "--if-version", [options](const std::uint64_t& n) { options->if_version = n; },
      "Only where the key has this version: how often it was put since it was made");
  app->add_flag_callback(
         "--if-absent", [options] { options->if_version = 0; }, "Only where there is no such key")
      ->excludes(version);
  add_keys(*app, options->keys);
  app->footer(
      "Examples:\n"
      "  cluster kv put config/limit 8\n"
      "  cluster kv put image - < image.png\n"
      "  cluster kv put --if-absent leader host-7\n"
      "  cluster kv put --lease 30s service/web/host-7 10.0.0.7:8080\n\n"
      "Prints the revision of the change. It is applied once, however often it had to be sent. "
      "The\n"
      "exit code is 1 where the condition does not hold.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_kv_put(*options); }; });
}

void add_get(CLI::App& kv, Chosen& chosen) {
  auto options = std::make_shared<GetKeyOptions>();
  CLI::App* app = kv.add_subcommand("get", "Print the value of a key");
  app->add_option("key", options->key, "The key")->required();
  app->add_option("--revision", options->revision, "As it was then, where that is still kept");
  app->add_flag("--raw", options->raw, "The value's bytes alone, without a line break after them");
  add_keys(*app, options->keys);
  app->footer(
      "Examples:\n"
      "  cluster kv get config/limit\n"
      "  cluster kv get --raw image > image.png\n"
      "  cluster kv get --json config/limit      # with its revisions, version and lease\n\n"
      "It sees everything that was acknowledged before it was asked. The exit code is 1 where "
      "there "
      "is\nno such key.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_kv_get(*options); }; });
}

void add_range(CLI::App& kv, Chosen& chosen) {
  auto options = std::make_shared<RangeKeysOptions>();
  CLI::App* app = kv.add_subcommand("range", "List keys and values in the order of their bytes");
  CLI::Option* prefix =
      app->add_option("prefix", options->prefix, "Those that begin so; without: all");
  app->add_option("--from", options->from, "From this key on, that included")->excludes(prefix);
  app->add_option("--to", options->to, "Up to this key, that excluded")->excludes(prefix);
  app->add_option("--revision", options->revision, "As it was then, where that is still kept");
  app->add_option("--limit", options->limit, "At most so many keys");
  app->add_flag("--keys-only", options->keys_only, "Leave the values out");
  add_keys(*app, options->keys);
  app->footer(
      "Examples:\n"
      "  cluster kv range config/\n"
      "  cluster kv range --from a --to b --limit 10 --keys-only\n"
      "  cluster kv range lock/nightly/          # who holds the lock, and who waits for it\n\n"
      "One line for each: key, tab, value. What is no plain word is in double quotes, with \\n, "
      "\\t,\n"
      "\\r, \\\", \\\\ and \\xHH; in JSON, what is no UTF-8 is \"key_base64\" and "
      "\"value_base64\". "
      "All of it\nis of one revision, however long the list is.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_kv_range(*options); }; });
}

void add_del(CLI::App& kv, Chosen& chosen) {
  auto options = std::make_shared<DeleteKeysOptions>();
  CLI::App* app = kv.add_subcommand("del", "Delete a key, or all that begin so");
  app->add_option("key", options->key, "The key")->required();
  app->add_flag("--prefix", options->is_prefix, "All keys that begin with it");
  add_keys(*app, options->keys);
  app->footer(
      "Examples:\n  cluster kv del config/limit\n  cluster kv del --prefix config/\n\n"
      "The exit code is 1 where there was nothing to delete.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_kv_del(*options); }; });
}

void add_txn(CLI::App& kv, Chosen& chosen) {
  auto options = std::make_shared<TransactOptions>();
  CLI::App* app = kv.add_subcommand("txn", "Compare, and change all or nothing");
  app->add_option("file", options->file, "What to do; -: standard input")->capture_default_str();
  add_keys(*app, options->keys);
  app->footer(
      "Examples:\n"
      "  cluster kv txn <<'END'\n"
      "  when                             # all of these hold; without: always\n"
      "    version account/a = 3\n"
      "    exists account/b\n"
      "  then                             # is carried out, as one revision\n"
      "    put account/a 70\n"
      "    put account/b 130\n"
      "  else                             # otherwise this\n"
      "    range account/\n"
      "  END\n\n"
      "Conditions: exists KEY, missing KEY; value|version|created|modified|lease KEY =|!=|<|> "
      "WHAT.\n"
      "Operations: put KEY VALUE [lease LEASE], get KEY, range PREFIX, del KEY, del-prefix "
      "PREFIX.\n"
      "No key is changed twice. Words are quoted as `cluster kv range` prints them; # begins a "
      "comment.\n\n"
      "The first line that is printed says which part was carried out, then a line for each "
      "operation.\nThe exit code is 0 for `then` and 1 for `else`.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_kv_txn(*options); }; });
}

void add_watch(CLI::App& kv, Chosen& chosen) {
  auto options = std::make_shared<WatchKeysOptions>();
  CLI::App* app = kv.add_subcommand("watch", "Print changes as they happen, until Ctrl-C");
  app->add_option("key", options->key, "The key")->required();
  app->add_flag("--prefix", options->is_prefix, "All keys that begin with it");
  app->add_option("--from", options->from,
                  "From this revision on, where it is still kept; without: from now on");
  add_keys(*app, options->keys);
  app->footer(
      "Examples:\n"
      "  cluster kv watch config/limit\n"
      "  cluster kv watch --prefix service/web/ --from 1041\n\n"
      "One line for each change: revision, tab, put or deleted, tab, key, tab, value (quoted as "
      "`range`\ndoes). Each is told once and none is left out, whichever master dies meanwhile. "
      "Where the\nrevision is no longer kept it ends with exit code 1 and says from where it can "
      "go on.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_kv_watch(*options); }; });
}

void add_compact(CLI::App& kv, Chosen& chosen) {
  auto options = std::make_shared<CompactKeysOptions>();
  CLI::App* app = kv.add_subcommand("compact", "Forget what keys were before a revision");
  app->add_option("revision", options->revision, "The oldest that can still be read")
      ->required()
      ->check(CLI::PositiveNumber);
  add_client(*app, options->keys.client);
  app->footer(
      "Examples:\n  cluster kv compact 1041\n\n"
      "It happens by itself as well: 100,000 revisions and 256 MiB of changes are kept.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_kv_compact(*options); }; });
}

void add_namespace(CLI::App& kv, Chosen& chosen) {
  auto options = std::make_shared<KeySpaceOptions>();
  CLI::App* app = kv.add_subcommand("namespace", "Make a namespace, change its quota, remove it");
  app->add_option("name", options->name, "The namespace; \"\": the one from the beginning")
      ->required();
  CLI::Option* remove =
      app->add_flag("--remove", options->remove, "Remove it; refused while it holds keys");
  app->add_option("--keys", options->keys_max, "It may hold so many keys; 0: no limit")
      ->excludes(remove);
  app->add_option("--bytes", options->bytes_max,
                  "It may hold so many bytes of keys and values (64MiB, 1GiB); 0: no limit")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("SIZE")
      ->excludes(remove);
  add_client(*app, options->keys.client);
  app->footer(
      "Examples:\n"
      "  cluster kv namespace build --keys 10000 --bytes 64MiB\n"
      "  cluster kv put --namespace build done/1041 yes\n"
      "  cluster kv namespace build --remove\n\n"
      "Each time both limits are set: one that is not given is none.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_kv_namespace(*options); }; });
}

// What `lock` and `elect` have in common.
void add_hold(CLI::App& app, Chosen& chosen, const std::shared_ptr<HoldOptions>& options) {
  app.add_option("command", options->command, "The program and its arguments, after --")
      ->required();
  add_duration(app, "--ttl", options->ttl,
               "For how long others wait when this process is gone or cut off");
  add_duration(app, "--wait", options->wait, "Give up when it is not one's turn by then; 0: never");
  add_keys(app, options->keys, false);
  app.callback([options, &chosen] { chosen = [options] { return cmd_hold(*options); }; });
}

void add_lock(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<HoldOptions>();
  CLI::App* app = root.add_subcommand("lock", "Run a command while nobody else holds a lock");
  app->add_option("name", options->name, "The lock's name")->required();
  app->add_flag("--shared", options->shared,
                "Together with others that share it; not with one that does not");
  add_hold(*app, chosen, options);
  app->footer(
      "Examples:\n"
      "  cluster lock nightly -- ./report.sh\n"
      "  cluster lock --ttl 30s --wait 5m disk-7 -- sh -c 'move-data --fence $CLUSTER_FENCE'\n"
      "  cluster kv range lock/nightly/          # who holds it, and who waits\n\n"
      "Whoever asked first is first. The command has CLUSTER_FENCE in its environment: a number "
      "that\n"
      "grows from holder to holder, which what it acts on should check. The exit code is the "
      "command's.\n"
      "Where the lock cannot be kept, the command gets SIGTERM, and SIGKILL before another can "
      "hold "
      "it;\nthe exit code is 1. Library callers of cluster::Lock are excluded by the same name.");
}

void add_elect(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<HoldOptions>();
  options->is_election = true;
  CLI::App* app =
      root.add_subcommand("elect", "Run a command in one of several copies; the others stand by");
  app->add_option("name", options->name, "The election's name")->required();
  app->add_option("--value", options->value,
                  "What others are told of this candidate; without: its host and process");
  add_hold(*app, chosen, options);
  app->footer(
      "Examples:\n"
      "  cluster elect scheduler -- ./scheduler      # on each of three machines\n"
      "  cluster kv range election/scheduler/        # who leads: the lowest \"created\" of "
      "--json\n\n"
      "The copy that has waited longest leads when the one before it ends or is gone. Everything "
      "else\nis as in `cluster lock`; library callers of cluster::Election are candidates too.");
}

}  // namespace

void add_key_commands(CLI::App& root, Chosen& chosen) {
  CLI::App* kv = root.add_subcommand("kv", "Read, change and watch keys that the masters keep");
  kv->require_subcommand(1);
  kv->footer(
      "Examples:\n"
      "  cluster kv put config/limit 8\n"
      "  cluster kv get config/limit\n"
      "  cluster kv range config/\n"
      "  cluster kv watch --prefix config/\n"
      "  cluster kv del config/limit\n\n"
      "Any master takes these. `cluster kv COMMAND --help` has more.");
  add_put(*kv, chosen);
  add_get(*kv, chosen);
  add_range(*kv, chosen);
  add_del(*kv, chosen);
  add_txn(*kv, chosen);
  add_watch(*kv, chosen);
  add_compact(*kv, chosen);
  add_namespace(*kv, chosen);
  add_lock(root, chosen);
  add_elect(root, chosen);
}

}  // namespace cluster::app
