from audit.kinds import Kind

KINDS = (
    Kind(event_type="SHOP", actions=("order_placed", "order_refunded")),
    Kind(event_type="SHOP", actions=("stock_counted",), over_http=True),
    Kind(event_type="FILE_ACCESS", actions=("print",)),
)
