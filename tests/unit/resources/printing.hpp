// How resources and grants print in messages of failed tests.
#pragma once

#include "cluster/allocator.hpp"
#include "cluster/resources.hpp"
#include "tests/catch.hpp"

template <>
struct Catch::StringMaker<cluster::Scalar> {
  static std::string convert(cluster::Scalar scalar) { return scalar.to_string(); }
};
template <>
struct Catch::StringMaker<cluster::Resources> {
  static std::string convert(const cluster::Resources& resources) { return resources.to_string(); }
};
template <>
struct Catch::StringMaker<cluster::Grant> {
  static std::string convert(const cluster::Grant& grant) {
    return grant.framework.value() + " gets " + grant.resources.to_string() + " of " +
           grant.agent.value();
  }
};
