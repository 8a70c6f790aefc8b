@0xc3f1d07a9b24e685;
# What the frames of a backup hold: src/replog/backup.hpp says what each part means. Backups are kept
# for years: fields are added, never renumbered or reused.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("cluster::schema::backup");

struct Head {
  version @0 :UInt32;
  cluster @1 :UInt64;
  member @2 :UInt64;
  first @3 :UInt64;
  end @4 :UInt64;
  decidedEnd @5 :UInt64;
  term @6 :UInt64;
  takenAt @7 :Int64;              # Milliseconds since 1970.
  hasSnapshot @8 :Bool;
  snapshotSize @9 :UInt64;
  snapshotChecksum @10 :UInt32;
}

struct Entry {
  position @0 :UInt64;
  data @1 :Data;
}

struct End {
  entries @0 :UInt64;
  checksum @1 :UInt32;            # crc32c of all frames' bodies before this one.
}

struct Part {
  union {
    none @0 :Void;                # What an empty message would be: never valid.
    head @1 :Head;
    snapshot @2 :Data;
    entries @3 :List(Entry);
    end @4 :End;
  }
}
