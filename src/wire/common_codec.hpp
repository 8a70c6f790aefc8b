// Values and records that several messages share, to and from Cap'n Proto. For codecs only: this
// header brings generated types along.
#pragma once

#include <optional>
#include <vector>

#include "cluster/job.hpp"
#include "cluster/registry.hpp"
#include "cluster/resources.hpp"
#include "cluster/task.hpp"
#include "schema/registry.capnp.h"
#include "schema/spec.capnp.h"
#include "wire/capnp_io.hpp"

namespace cluster::wire {

// Values. `write` fills a builder; `read` notes what is wrong in its `Decoding`.
void write(schema::spec::Endpoint::Builder, const Endpoint&);
Endpoint read(Decoding&, schema::spec::Endpoint::Reader);

void write(schema::spec::Error::Builder, const Error&);
Error read(Decoding&, schema::spec::Error::Reader);

using ResourceList = capnp::List<schema::spec::Resource>;
// `init(size)` makes the list: [&](unsigned n) { return builder.initResources(n); }
template <class Init>
void write_resources(const Resources& resources, Init init);
void write(ResourceList::Builder, const Resources&);
Resources read(Decoding&, ResourceList::Reader);

void write(schema::spec::JobRef::Builder, const JobRef&);
JobRef read(Decoding&, schema::spec::JobRef::Reader);

void write(schema::spec::TaskExit::Builder, const TaskExit&);
TaskExit read(Decoding&, schema::spec::TaskExit::Reader);

void write(schema::spec::TaskStatus::Builder, const TaskStatus&);
// Ids that are the same as `task` and `agent` are shared with those.
TaskStatus read(Decoding&, schema::spec::TaskStatus::Reader, const TaskId& task = {},
                const AgentId& agent = {});

void write(schema::spec::TaskInfo::Builder, const TaskSpec&);
TaskSpec read(Decoding&, schema::spec::TaskInfo::Reader);

void write(schema::spec::JobInfo::Builder, const JobSpec&);
JobSpec read(Decoding&, schema::spec::JobInfo::Reader);

// Records.
void write(schema::registry::AgentRecord::Builder, const AgentRecord&);
AgentRecord read(Decoding&, schema::registry::AgentRecord::Reader);

void write(schema::registry::FrameworkRecord::Builder, const FrameworkRecord&);
FrameworkRecord read(Decoding&, schema::registry::FrameworkRecord::Reader);

void write(schema::registry::TaskKey::Builder, const TaskKey&);
TaskKey read(Decoding&, schema::registry::TaskKey::Reader);

void write(schema::registry::TaskRecord::Builder, const TaskRecord&);
TaskRecord read(Decoding&, schema::registry::TaskRecord::Reader);

void write(schema::registry::JobRecord::Builder, const JobRecord&);
JobRecord read(Decoding&, schema::registry::JobRecord::Reader);

template <class Init>
void write_resources(const Resources& resources, Init init) {
  if (!resources.empty()) write(init(list_size(resources.values())), resources);
}

}  // namespace cluster::wire
