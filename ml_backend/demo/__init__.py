"""The whole loop on a Label Studio of its own, with bundled support tickets and a simulated expert."""
