// What the collector makes of events: lives of processes and threads, changes of their memory.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "record/collector.h"
#include "record/collector_state.h"

namespace mmusim::record {
namespace {

constexpr uint64_t kCloneVm = 0x100;
constexpr uint64_t kCloneVfork = 0x4000;
constexpr uint64_t kCloneThread = 0x10000;
constexpr int32_t kStatusKilled = 9;

}  // namespace

bool Collector::at_its_turn(Stream& stream) {
  if (!stream.is_event) {
    stream.at_number = false;
    return true;
  }
  if (stream.event.size() < stream.event_size) {
    // What a killed process did not finish saying.
    if (stream.process == nullptr || !stream.process->dead || stream.read != stream.there)
      return false;
    stream.at_number = false;
    ++counts_.lost_words;
    return true;
  }
  stream.at_number = false;
  event(stream);
  return true;
}

void Collector::event(Stream& stream) {
  const std::vector<uint64_t> all = std::move(stream.event);
  stream.event.clear();
  WordReader words(all);
  if (stream.kind == EventKind::Start) {
    start(stream, words);
    return;
  }
  if (stream.process == nullptr || stream.ended) return;
  switch (stream.kind) {
    case EventKind::Image: {
      writer_.thread(stream.id);
      writer_.event(image_event(words));
      Process& process = *stream.process;
      if (process.sleeping_parent != 0) {
        for (const auto& other : streams_)
          if (other->id.tid.value() == process.sleeping_parent) other->sleeps = false;
        process.sleeping_parent = 0;
      }
      break;
    }
    case EventKind::Call:
      call(stream, words);
      break;
    case EventKind::Exec:
      break;  // the new program says so itself
    case EventKind::Exit: {
      const auto status = static_cast<int32_t>(words.word());
      exit(stream, status, words.word() != 0);
      break;
    }
    case EventKind::Unrecorded:
      ++counts_.unrecorded;
      note("not recorded: " + words.text());
      break;
    case EventKind::Start:
      break;
  }
}

Collector::Process& Collector::process(uint32_t id) {
  auto& entry = processes_[id];
  if (entry == nullptr) {
    entry = std::make_unique<Process>();
    entry->id = id;
    ++counts_.processes;
  }
  return *entry;
}

// A child is known from now on: by what its parent was told, or by itself, whichever is first.
Collector::Process& Collector::announce(Process& parent, uint32_t parent_thread, uint32_t child,
                                        uint64_t flags) {
  read_definitions(parent);
  Process& born = process(child);
  born.definitions = parent.definitions.copy();
  const trace::ThreadId maker{Pid(parent.id), Tid(parent_thread)};
  writer_.thread(maker);
  writer_.event(trace::ForkEvent{{Pid(child), Tid(child)}, flags, (flags & kCloneVm) != 0});
  if ((flags & kCloneVfork) != 0) {
    for (const auto& stream : streams_) {
      if (stream->id != maker) continue;
      stream->sleeps = true;
      born.sleeping_parent = parent_thread;
    }
  }
  return born;
}

// The same of a thread.
void Collector::announce_thread(Process& process, uint32_t maker, uint32_t thread, uint64_t flags) {
  if (process.announced.erase(thread) != 0) return;
  process.announced.insert(thread);
  writer_.thread({Pid(process.id), Tid(maker)});
  writer_.event(trace::ForkEvent{{Pid(process.id), Tid(thread)}, flags, true});
}

void Collector::start(Stream& stream, WordReader& words) {
  const auto kind = static_cast<StartKind>(words.word());
  const auto id = static_cast<uint32_t>(words.word());
  const auto thread = static_cast<uint32_t>(words.word());
  const auto parent_id = static_cast<uint32_t>(words.word());
  const auto parent_thread = static_cast<uint32_t>(words.word());
  const uint64_t flags = words.word();
  const auto definitions = static_cast<uint32_t>(words.word());
  const uint64_t first_block = words.word();
  stream.id = {Pid(id), Tid(thread)};
  const auto existing = processes_.find(id);
  const bool known = existing != processes_.end();
  if (kind == StartKind::Fork) {
    // One of that number that has a ring already, or has ended, is not this one.
    if (known && (existing->second->started || existing->second->exited)) {
      drop_image(*existing->second, &stream);
      finish(*existing->second, existing->second->status);
      forget(*existing->second);
    }
    if (processes_.count(id) == 0) {
      const auto parent = processes_.find(parent_id);
      if (parent != processes_.end()) {
        announce(*parent->second, parent_thread, id, flags);
      } else {
        process(id).definitions = graves_[parent_id].copy();
      }
    }
  } else if (kind == StartKind::Image) {
    ++counts_.programs;
    if (known) drop_image(*existing->second, &stream);
  } else {
    ++counts_.threads;
  }
  Process& owner = process(id);
  owner.started = true;
  owner.exited = false;
  ++owner.threads;
  stream.process = &owner;
  if (kind == StartKind::Thread && parent_thread != 0)
    announce_thread(owner, parent_thread, thread, flags);
  if (owner.definitions_ring != definitions && kind != StartKind::Thread) {
    owner.definitions_ring = definitions;
    owner.definitions_read = 0;
    owner.definitions.keep(first_block);
    owner.definition_words.clear();
    known_rings_[definitions] = true;
    ++definition_rings_;
  }
}

// The process has replaced its program, or is gone: what its threads had said is all there is.
void Collector::drop_image(Process& process, const Stream* except) {
  for (size_t i = 0; i < streams_.size();) {
    Stream& stream = *streams_[i];
    if (stream.process != &process || &stream == except) {
      ++i;
      continue;
    }
    stream.there = head(stream.ring).written.load();
    parse(stream);
    release(stream);
    streams_.erase(streams_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  process.threads = 0;
  process.announced.clear();
  if (process.definitions_ring != kNoRing) {
    free_ring(process.definitions_ring);
    --definition_rings_;
  }
  process.definitions_ring = kNoRing;
  process.definitions = Definitions();
}

void Collector::call(Stream& stream, WordReader& words) {
  const MadeCall made = read_call(words);
  const auto& a = made.arguments;
  switch (made.call) {
    case Call::Fork:
    case Call::Vfork:
    case Call::Clone: {
      const auto child = static_cast<uint32_t>(made.result);
      const uint64_t flags = a[0];
      if ((flags & kCloneThread) != 0) {
        announce_thread(*stream.process, stream.id.tid.value(), child, flags);
      } else if (const auto found = processes_.find(child); found == processes_.end()) {
        announce(*stream.process, stream.id.tid.value(), child, flags);
      }
      break;
    }
    case Call::Wait4:
    case Call::Waitpid:
    case Call::Waitid:
      wait(stream, static_cast<uint32_t>(a[0]), static_cast<int32_t>(a[1]), a[2] != 0);
      break;
    default:
      if (const auto event = memory_event(isa_, made); event) {
        writer_.thread(stream.id);
        writer_.event(*event);
      }
  }
}

void Collector::wait(Stream& stream, uint32_t child, int32_t status, bool known) {
  const auto found = processes_.find(child);
  if (found != processes_.end() && found->second.get() != stream.process) {
    Process& ended = *found->second;
    if (!known && ended.status) status = *ended.status;
    if (known) ended.status = status;
    ended.dead = true;
    drop_image(ended, &stream);
    finish(ended, ended.status);
    forget(ended);
  }
  writer_.thread(stream.id);
  writer_.event(trace::WaitEvent{Pid(child), status});
}

void Collector::exit(Stream& stream, int32_t status, bool whole) {
  Process& process = *stream.process;
  stream.ended = true;
  if (process.threads > 0) --process.threads;
  if (!whole && process.threads > 0) {
    writer_.thread(stream.id);
    writer_.event(trace::ExitEvent{status, false});
    return;
  }
  process.exited = true;
  process.status = status;
  for (const auto& other : streams_)
    if (other->process == &process && other.get() != &stream) {
      end_block(*other);
      other->ended = true;
    }
  writer_.thread(stream.id);
  writer_.event(trace::ExitEvent{status, true});
  if (process.sleeping_parent != 0) {
    for (const auto& other : streams_)
      if (other->id.tid.value() == process.sleeping_parent) other->sleeps = false;
    process.sleeping_parent = 0;
  }
}

// The end of a process that did not say so: a signal killed it.
void Collector::finish(Process& process, std::optional<int32_t> status) {
  if (process.sleeping_parent != 0) {
    for (const auto& other : streams_)
      if (other->id.tid.value() == process.sleeping_parent) other->sleeps = false;
    process.sleeping_parent = 0;
  }
  if (process.exited) return;
  process.exited = true;
  if (!status) ++counts_.unknown_ends;
  writer_.thread({Pid(process.id), Tid(process.id)});
  writer_.event(trace::ExitEvent{status.value_or(kStatusKilled), true});
}

}  // namespace mmusim::record
