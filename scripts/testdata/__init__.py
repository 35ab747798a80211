"""Builds the test data from descriptions, without the code under test: certificates, hives, WIM images."""
