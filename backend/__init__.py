"""The API that phones and laboratories talk to, and the only writer of cases, predictions and labels."""
