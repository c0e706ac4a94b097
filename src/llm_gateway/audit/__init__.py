"""The audit trail's parts: what a row says, how rows are chained and checked, where they lie, who reads them."""
