// The only includer of Catch2, and how our values print in its messages.
#pragma once

#include <catch2/catch.hpp>

#include "cluster/logger.hpp"
#include "cluster/types.hpp"

template <class Tag>
struct Catch::StringMaker<cluster::Id<Tag>> {
  static std::string convert(cluster::Id<Tag> id) { return std::to_string(id.value()); }
};
template <class Tag>
struct Catch::StringMaker<cluster::Name<Tag>> {
  static std::string convert(const cluster::Name<Tag>& name) { return name.value(); }
};
template <>
struct Catch::StringMaker<cluster::Position> {
  static std::string convert(cluster::Position at) { return std::to_string(at.value()); }
};
template <>
struct Catch::StringMaker<cluster::Bytes> {
  static std::string convert(const cluster::Bytes& bytes) {
    return '"' + std::string(bytes.view()) + '"';
  }
};
