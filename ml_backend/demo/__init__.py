"""The whole loop on a fresh Label Studio, with bundled support tickets and a simulated expert."""
