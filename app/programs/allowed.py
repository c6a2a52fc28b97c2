"""The operations that a served program may have, each group with the reason.

The list names what is allowed. Lists of what is forbidden have been evaded by operations that nobody had
thought of. What an operation below does depends on its arrays alone. None reads or writes a file, runs
Python, opens a connection, draws random numbers, loops, or changes a state. ``SAVING`` is the exception:
every SavedModel carries it, and nothing that a service calls may reach it (``saved_model.py``).
"""

# What training's exports are made of, by why they are.
_COMPUTING = {
    "dense layers and convolutions": """
        MatMul BatchMatMulV2 BiasAdd Conv2D DepthwiseConv2dNative Relu Sigmoid Softmax Softplus Tanh""",
    "arithmetic of densities and draws": """
        Abs AddV2 Exp Expm1 Log Log1p Maximum Minimum Mul Neg Pow RealDiv Round Sign Sqrt Square
        SquaredDifference Sub""",
    "comparisons and choices": "Greater GreaterEqual IsFinite Less LessEqual Select SelectV2",
    "sums and extremes over an axis": "Max Prod Sum",
    "shapes and the order of elements": """
        Cast ConcatV2 DepthToSpace GatherV2 OnesLike Pack Pad Range Reshape Shape SpaceToDepth Split SplitV
        Squeeze StridedSlice Transpose Unpack ZerosLike""",
    "the graph itself: its arguments, constants and the calls of its own functions": """
        Const Identity IdentityN NoOp PartitionedCall Placeholder StatefulPartitionedCall StopGradient""",
    "the model's variables": "DisableCopyOnRead ReadVariableOp VarHandleOp",
    # Not in the networks that training builds. A SavedModel of one's own Keras layers has them.
    "other layers of Keras, which are functions of their arrays as well": """
        Add AddN ArgMax AvgPool BatchToSpaceND BroadcastTo Ceil ClipByValue Conv2DBackpropInput Cos
        Cumsum Einsum Elu Equal Erf Erfc ExpandDims Fill Floor FloorDiv FloorMod FusedBatchNormV3
        L2Loss LeakyRelu LogSoftmax LogicalAnd LogicalNot LogicalOr MaxPool Mean Min MirrorPad
        NotEqual OneHot PadV2 Reciprocal Relu6 ResizeBicubic ResizeBilinear ResizeNearestNeighbor
        ReverseV2 Rsqrt Selu Sin Slice Softsign SpaceToBatchND Tile Where""",
}

# The functions by which TensorFlow saves and restores variables. Its exporter adds them to every SavedModel.
_SAVING = {
    "the files of variables": "MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename",
    "the names of those files": "StaticRegexFullMatch StringJoin",
    "what was read is what the variables are": "AssignVariableOp",
}

_BUILT_IN = {
    "dense layers and convolutions": """
        BATCH_MATMUL CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED LOGISTIC RELU SOFTMAX TANH""",
    "arithmetic of densities and draws": """
        ABS ADD DIV EXP LOG MAXIMUM MINIMUM MUL NEG POW ROUND SIGN SQRT SQUARE SQUARED_DIFFERENCE SUB""",
    "comparisons and choices": "EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL NOT_EQUAL SELECT SELECT_V2",
    "sums and extremes over an axis": "REDUCE_MAX REDUCE_PROD SUM",
    "shapes and the order of elements": """
        BROADCAST_ARGS BROADCAST_TO CAST CONCATENATION DEPTH_TO_SPACE GATHER PACK PAD RANGE RESHAPE SHAPE
        SPACE_TO_DEPTH SPLIT SPLIT_V SQUEEZE STRIDED_SLICE TRANSPOSE UNPACK ZEROS_LIKE""",
    "other layers of Keras, which are functions of their arrays as well": """
        ADD_N ARG_MAX AVERAGE_POOL_2D BATCH_TO_SPACE_ND CEIL COS CUMSUM ELU EXPAND_DIMS FILL FLOOR
        FLOOR_DIV FLOOR_MOD GELU HARD_SWISH L2_NORMALIZATION LEAKY_RELU LOGICAL_AND LOGICAL_NOT
        LOGICAL_OR LOG_SOFTMAX MAX_POOL_2D MEAN MIRROR_PAD ONE_HOT PADV2 PRELU RANK REDUCE_MIN RELU6
        RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 RSQRT SIN SLICE SPACE_TO_BATCH_ND TILE
        TRANSPOSE_CONV WHERE""",
}


def _names(groups: dict[str, str]) -> frozenset[str]:
    return frozenset(name for group in groups.values() for name in group.split())


COMPUTING = _names(_COMPUTING)  # of a SavedModel, wherever they stand
SAVING = _names(_SAVING)  # of a SavedModel, in the functions that save and restore it
BUILT_IN = _names(_BUILT_IN)  # of a flatbuffer
